/**
 * How long it takes from a release in one process to the next holder in another: the way that work goes through a
 * line of agents. Both read the same monotonic clock, so the two ends of the way can be compared.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createLeaseId, type LeaseBackend } from "@lease/core";
import { sqliteBackend } from "@lease/sqlite";
import type { ReleasedAt, Task } from "./handoff.worker.js";
import { request } from "./request.js";
import { quantile } from "./stats.js";

export async function handoff(times: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "lease-bench-"));
  const path = join(folder, "leases.db");
  const worker = fileURLToPath(new URL("./handoff.worker.js", import.meta.url));
  const holder = fork(worker, [path]);
  const waiter = sqliteBackend({ path });
  const samples: number[] = [];
  try {
    for (let round = 0; round < times + WARM_UP; round += 1) {
      const tell = (task: Task) => holder.send(task);
      tell("hold");
      await once(holder, "message");
      const granted = nextHolder(waiter, () => tell("release"));
      const [released] = (await once(holder, "message")) as [ReleasedAt];
      const grantedAt = await granted;
      if (round >= WARM_UP) samples.push(grantedAt - released.at);
    }
  } finally {
    holder.kill();
    await waiter.close();
    rmSync(folder, { recursive: true });
  }
  console.log(`release → next holder in another process, ${times} times, Node ${process.version}`);
  for (const part of [0.5, 0.9, 0.99]) {
    console.log(`p${part * 100}`.padEnd(5), quantile(samples, part).toFixed(2), "ms");
  }
}

const WARM_UP = 20;

/** Waits in line behind the holder, lets it release, and tells when the lease came. */
async function nextHolder(backend: LeaseBackend, letRelease: () => void): Promise<number> {
  const id = createLeaseId();
  const asking = request(id, "waiter", "src/app.ts", { wait: true });
  const refused = await backend.acquire(asking);
  if (refused.status !== "refused") throw new Error(`not in line: ${refused.status}`);
  const turn = backend.turn({ id, timeoutMs: 10_000 });
  letRelease();
  await turn;
  for (;;) {
    const result = await backend.acquire(asking);
    const at = monotonicMs();
    if (result.status === "granted") {
      await backend.release([{ kind: "release", id, agentId: "waiter", token: result.lease.token }]);
      return at;
    }
    await backend.turn({ id, timeoutMs: 10_000 });
  }
}

/** The same in all processes of a machine. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
