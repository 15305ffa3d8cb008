/** A program that ends, or should: what keeps it alive, and what it leaves behind. Its file is the first argument. */
import { createLeaseManager, type LeaseManagerOptions } from "@lease/core";
import { sqliteBackend } from "@lease/sqlite";

const [path = "", what] = process.argv.slice(2);
const manager = (options: Omit<LeaseManagerOptions, "backend">) =>
  createLeaseManager({ backend: sqliteBackend({ path }), ...options });

if (what === "holds") {
  // Nothing is left to do; nobody releases.
  const lease = await manager({ agentId: "holder", followLosses: true }).acquire("a");
  // Time enough for the follower to begin.
  await new Promise((resolve) => setTimeout(resolve, 300));
  console.log(lease.state);
} else {
  const abort = new AbortController();
  const waiting = manager({ agentId: "waiter" }).acquire("a", { signal: abort.signal });
  process.stdin.once("data", () => abort.abort(new Error("interrupted")));
  await waiting.catch((error: Error) => console.log(error.message));
  // As a command line does.
  process.exit();
}
