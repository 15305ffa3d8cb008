/** `waiter.worker.ts URL`: fifty requests, five in line for each of ten resources; each holds what it gets for a moment. */
import { setTimeout as sleep } from "node:timers/promises";
import { openBackend } from "@lease/connect";
import { createLeaseManager } from "@lease/core";

const [url = ""] = process.argv.slice(2);
const backend = await openBackend(url);
const leases = createLeaseManager({
  backend,
  agentId: "waiter",
  defaults: { ttlMs: 600_000, waitTtlMs: 600_000 },
});

const requests = Array.from({ length: 50 }, async (_, number) => {
  const lease = await leases.acquire(`r/${10 + (number % 10)}`, { waitMs: 600_000 });
  await sleep(5);
  console.log(`${lease.claims[0]?.resource} ${lease.token} ${await lease.release()}`);
});
await Promise.all(requests);
await leases.close({ backend: true });
