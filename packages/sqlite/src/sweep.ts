/** Housekeeping, in bounded steps: ends what is past its time, forgets ends, prunes history. */
import {
  DEFAULT_SWEEP_LIMIT,
  leaseOf,
  type Moment,
  type SweepOptions,
  type SweepResult,
} from "@lease/core/backend";
import { decode } from "./codec.js";
import type { LeaseDatabase } from "./database.js";
import type { SqliteLedger } from "./ledger.js";
import type { Head, Statements } from "./statements.js";

/** One step deletes at most this many history entries, so that nobody waits long for the write lock. */
const MAX_PRUNED = 10_000;

/** Looks without the write lock whether there is anything to do; `null` if there is. */
export function sweepIdle(
  statements: Statements,
  options: SweepOptions,
  at: Moment,
  head: Head,
): SweepResult | null {
  const idle =
    statements.dead.get(at.now, 1) === undefined &&
    statements.hasForgettable.get(at.now) === undefined &&
    prunable(statements, options, at, head).n === 0;
  return idle ? { expired: [], pruned: 0 } : null;
}

export function sweep(
  { statements, forgetHead }: Pick<LeaseDatabase, "statements" | "forgetHead">,
  ledger: SqliteLedger,
  options: SweepOptions,
  at: Moment,
  head: Head,
): SweepResult {
  const dead = statements.dead.all(at.now, options.limit ?? DEFAULT_SWEEP_LIMIT).map((row) => decode(row));
  for (const lease of dead) ledger.steps.expire(lease);
  statements.forget.run(at.now);
  forgetHead();

  const { n, through } = prunable(statements, options, at, head);
  if (through !== null) {
    statements.setPrunedThrough.run(through);
    // The newest row is kept even when it counts as pruned: it is the counter of sequence numbers and tokens.
    statements.deleteHistoryThrough.run(through, ledger.last);
  }
  return { expired: dead.map((lease) => leaseOf(lease, lease.expires - at.now, at)), pruned: n };
}

/** The entries before the first that is young enough to keep, a step's worth of them at most. */
function prunable(
  statements: Statements,
  { historyRetentionMs }: SweepOptions,
  at: Moment,
  head: Head,
): { readonly n: number; readonly through: number | null } {
  if (historyRetentionMs === undefined) return { n: 0, through: null };
  // Binding takes no infinity.
  const keepFrom = Math.max(at.wallNow - historyRetentionMs, Number.MIN_SAFE_INTEGER);
  const kept = statements.firstYoungEnough.get(head.pruned_through, MAX_PRUNED + 1, keepFrom);
  const before = kept ?? Number.MAX_SAFE_INTEGER;
  return statements.prunable.get(head.pruned_through, before, MAX_PRUNED) ?? { n: 0, through: null };
}
