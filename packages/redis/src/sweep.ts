/** Ends what is past its time, forgets old ends, prunes history: in small steps, so that no other call waits long. */
import type { Lease } from "@lease/core";
import { DEFAULT_SWEEP_LIMIT, type SweepOptions, type SweepResult } from "@lease/core/backend";
import { endedLease } from "./answers.js";
import { encodeEndIfDead, type Operation } from "./codec.js";
import type { Connection } from "./connection.js";
import { scan } from "./scan.js";
import { load } from "./scripts/load.js";
import type { Reply } from "./steps.js";

const PRUNE = load("prune");
const TIDY = load("tidy");

const ENTRIES_A_STEP = 500;

export async function sweep(
  connection: Connection,
  run: (operation: Operation) => Promise<Reply>,
  options: SweepOptions,
): Promise<SweepResult> {
  const limit = options.limit ?? DEFAULT_SWEEP_LIMIT;
  const ids = (await scan(connection, "dead", undefined)).map(({ id }) => id);
  const more = ids.splice(limit).length > 0;
  const answers = await Promise.all(ids.map((id) => run(encodeEndIfDead(id))));
  // Without those that were renewed meanwhile, or ended by another call, which reports them.
  const expired = answers
    .map((answer, index) => endedLease(ids[index] as string, answer))
    .filter((lease): lease is Lease => lease !== null);
  const { historyRetentionMs } = options;
  const pruned =
    historyRetentionMs === undefined || historyRetentionMs === Number.POSITIVE_INFINITY
      ? 0
      : await prune(connection, historyRetentionMs);
  await connection.run(TIDY, []);
  return { expired, pruned, more };
}

async function prune(connection: Connection, retentionMs: number): Promise<number> {
  let pruned = 0;
  for (;;) {
    const { answers } = await connection.run(PRUNE, [`${retentionMs}`, `${ENTRIES_A_STEP}`]);
    const [count, more] = answers as [number, Buffer];
    pruned += count;
    if (String(more) !== "1") return pruned;
  }
}
