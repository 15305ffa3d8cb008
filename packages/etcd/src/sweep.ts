/** Housekeeping. etcd ends leases by itself; what is left is to forget old history. */
import type { SweepOptions, SweepResult } from "@lease/core/backend";
import { readBounds, readOn } from "./changes.js";
import type { Context } from "./context.js";
import { isMissing, isWrittenAt, put } from "./txn.js";

/**
 * History is never compacted here: that would affect every user of this etcd. A marker records how far it counts as
 * pruned, and etcd's operator decides when the space is freed.
 */
export async function sweep(context: Context, { historyRetentionMs }: SweepOptions): Promise<SweepResult> {
  if (historyRetentionMs === undefined) return { expired: [], pruned: 0, more: false };
  const keepFrom = Date.now() - historyRetentionMs;
  // A long history is pruned in several sweeps, each as far as it gets in its time.
  const until = performance.now() + context.connection.timeoutMs;
  const bounds = await readBounds(context);
  let pruned = 0;
  let more = false;
  let through = bounds.prunedThrough;
  // What cannot be read any more needs no pruning, so the reading begins like one of the whole history.
  for await (const { revision, event } of readOn(context, bounds, through, {})) {
    more = performance.now() > until;
    if (Date.parse(event.at) >= keepFrom || more) break;
    pruned += 1;
    through = revision;
  }
  if (pruned === 0) return { expired: [], pruned, more };
  const { connection, keys } = context;
  const { succeeded } = await connection.write({
    compare: [bounds.prunedAt === null ? isMissing(keys.pruned) : isWrittenAt(keys.pruned, bounds.prunedAt)],
    success: [put(keys.pruned, Buffer.from(String(through)), 0)],
  });
  // Another sweep was faster, and has counted.
  return { expired: [], pruned: succeeded ? pruned : 0, more };
}
