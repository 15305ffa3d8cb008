/**
 * `deadlock.worker.ts URL AGENT HELD WANTED MODE`: holds one resource and, told to go on, asks for another while it keeps
 * the first, stating so by `lease.acquire` or by a sequential manager.
 */
import { once } from "node:events";
import { openBackend } from "@lease/connect";
import { createLeaseManager, isLeaseError } from "@lease/core";

const [url = "", agentId = "", held = "", wanted = "", mode] = process.argv.slice(2);
const backend = await openBackend(url);
const leases = createLeaseManager({ backend, agentId, sequential: mode === "sequential" });
const lease = await leases.acquire(held, { ttlMs: 600_000 });
console.log("holding");

await once(process.stdin, "data");
try {
  const ask = mode === "sequential" ? leases : lease;
  const more = await ask.acquire(wanted, { waitMs: 600_000 });
  console.log(JSON.stringify({ granted: more.isHeld() }));
} catch (error) {
  if (!isLeaseError(error, "LEASE_DEADLOCK")) throw error;
  const { message, details } = error;
  console.log(JSON.stringify({ deadlock: details.cycle, message }));
}
await leases.close({ backend: true });
process.stdin.destroy();
