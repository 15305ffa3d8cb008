/**
 * A process that does everything at once on the Redis of its first argument (`WorkerOptions` as JSON), until its input
 * ends: holds and renews, waits, follows the feed, asks and gives back. It tells how many grants it got,
 * catches what its own calls throw, and nothing else; then it closes, and must end by itself.
 */
import { createLeaseManager } from "@lease/core";
import { createJanitor } from "@lease/upkeep";
import { open } from "./backend.worker.ts";

const backend = open({ callTimeoutMs: 300, ...JSON.parse(process.argv[2] as string) });
const leases = createLeaseManager({ backend, agentId: `agent-${process.pid}` });
const janitor = createJanitor({ backend, intervalMs: 200, historyRetentionMs: 1_000 });
const ending = new AbortController();
let grants = 0;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function untilTheEnd(work: () => Promise<unknown>): Promise<void> {
  while (!ending.signal.aborted) {
    await work().catch(() => pause(20));
  }
}

janitor.start();
const works = [
  // Held and renewed all the time, and lost when the server is away for too long.
  untilTheEnd(async () => {
    const lease = await leases.acquire(`held/${process.pid}`, { ttlMs: 600, waitMs: 2_000 });
    const over = AbortSignal.any([lease.signal, ending.signal]);
    if (!over.aborted) await new Promise((resolve) => over.addEventListener("abort", resolve));
    await lease.release();
  }),
  ...Array.from({ length: 4 }, () =>
    untilTheEnd(async () => {
      const lease = await leases.acquire(["shared/queue", "src/**"], {
        ttlMs: 1_000,
        waitMs: 3_000,
        signal: ending.signal,
      });
      grants += 1;
      console.log(grants);
      await pause(5);
      await lease.release();
    }),
  ),
  untilTheEnd(async () => {
    for await (const _ of backend.changes({ follow: true, after: "end", signal: ending.signal })) _;
  }),
];

process.stdin.resume();
process.stdin.once("end", async () => {
  ending.abort();
  await Promise.all(works);
  await janitor.stop();
  await leases.close();
  await backend.close();
  console.log("closed");
});
console.log("ready");
