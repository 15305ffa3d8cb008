/** `holder.worker.ts URL`: holds a hundred leases until a signal comes, and has requests of its own in line. */
import { openBackend } from "@lease/connect";
import { createLeaseManager } from "@lease/core";
import { gracefulShutdown } from "@lease/shutdown";

const [url = ""] = process.argv.slice(2);
const backend = await openBackend(url);
const leases = createLeaseManager({
  backend,
  agentId: "holder",
  defaults: { ttlMs: 600_000, waitTtlMs: 600_000 },
});
const others = createLeaseManager({
  backend,
  agentId: "other",
  defaults: { ttlMs: 600_000, waitTtlMs: 600_000 },
});

gracefulShutdown({
  managers: [leases, others],
  drainMs: 200,
  timeoutMs: 120_000,
  onPhase: ({ phase, held }) => console.log(`${phase} ${held}`),
});
await Promise.all(Array.from({ length: 100 }, (_, number) => leases.acquire(`r/${number}`)));
for (let number = 0; number < 5; number += 1) {
  others.acquire(`r/${number}`, { waitMs: 600_000 }).catch(({ code }) => console.log(`in line: ${code}`));
}
// Nothing else keeps this process alive.
setInterval(() => {}, 1_000);
console.log("ready");
