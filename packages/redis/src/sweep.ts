/** Ends what is past its time, forgets old ends, prunes history: in small steps, so that nobody waits for them. */
import { DEFAULT_SWEEP_LIMIT, type Lease, type SweepOptions, type SweepResult } from "@lease/core";
import { endedLease } from "./answers.js";
import { ascii, encodeEndIfDead } from "./codec.js";
import { type Answer, type Connection, script } from "./connection.js";
import { PRUNE_SCRIPT, SCAN_SCRIPT } from "./scripts/read.js";

const SCAN = script(SCAN_SCRIPT);
const PRUNE = script(PRUNE_SCRIPT);

const FIELDS_A_STEP = 500;
const ENTRIES_A_STEP = 500;

export async function sweep(
  connection: Connection,
  run: (operation: string) => Promise<Answer>,
  options: SweepOptions,
): Promise<SweepResult> {
  const limit = options.limit ?? DEFAULT_SWEEP_LIMIT;
  const tickets = (await findDead(connection)).slice(0, limit);
  const ids = tickets.map((ticket) => ticket.slice(16));
  const answers = await Promise.all(ids.map((id) => run(encodeEndIfDead(id))));
  // Renewed in the meantime, or ended by somebody else: not ours to tell of.
  const expired = answers
    .map((answer, index) => endedLease(ids[index] as string, answer))
    .filter((lease): lease is Lease => lease !== null);
  const { historyRetentionMs } = options;
  const pruned =
    historyRetentionMs === undefined || historyRetentionMs === Number.POSITIVE_INFINITY
      ? 0
      : await prune(connection, historyRetentionMs);
  return { expired, pruned };
}

/** Tokens and ids of leases past their time, by token. */
async function findDead(connection: Connection): Promise<string[]> {
  // A walk may come across the same lease twice.
  const found = new Set<string>();
  let cursor = "0";
  do {
    const [next, ...tickets] = (await connection.run(SCAN, [cursor, FIELDS_A_STEP])) as Buffer[];
    for (const ticket of tickets) found.add(ascii(ticket));
    cursor = String(next);
  } while (cursor !== "0");
  return [...found].sort();
}

async function prune(connection: Connection, retentionMs: number): Promise<number> {
  let pruned = 0;
  for (;;) {
    const [count, more] = (await connection.run(PRUNE, [retentionMs, ENTRIES_A_STEP])) as [number, Buffer];
    pruned += count;
    if (String(more) !== "1") return pruned;
  }
}
