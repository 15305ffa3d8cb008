/** The other process of the hand-off: holds and releases when told to, and tells when it did. */
import { setTimeout as sleep } from "node:timers/promises";
import { createLeaseId } from "@lease/core";
import { sqliteBackend } from "@lease/sqlite";
import { monotonicMs } from "./handoff.js";
import { request } from "./request.js";

export type Task = "hold" | "release";

/** When the release was asked for, before anything of it was done. */
export interface ReleasedAt {
  readonly at: number;
}

const agentId = "holder";
const backend = sqliteBackend({ path: process.argv[2] as string });
let held: { readonly id: string; readonly token: number } | undefined;

process.on("message", async (task: Task) => {
  if (task === "hold") {
    const result = await backend.acquire(request(createLeaseId(), agentId, "src/app.ts"));
    if (result.status !== "granted") throw new Error(`not granted: ${result.status}`);
    held = result.lease;
    process.send?.("held");
  } else if (held !== undefined) {
    // Not in step with the waiter's own work.
    await sleep(2 + Math.random() * 10);
    const at = monotonicMs();
    await backend.release([{ kind: "release", agentId, id: held.id, token: held.token }]);
    process.send?.({ at } satisfies ReleasedAt);
  }
});
