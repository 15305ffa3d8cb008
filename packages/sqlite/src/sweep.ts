/** Housekeeping, in bounded steps: ends what is past its time, forgets ends, prunes history. */
import { DEFAULT_SWEEP_LIMIT, leaseOf, type SweepOptions, type SweepResult } from "@lease/core/backend";
import { decode } from "./codec.js";
import type { SqliteLedger } from "./ledger.js";

/** One step deletes at most this many history rows, so that no other call waits long for the write lock. */
const MAX_PRUNED_ROWS = 10_000;

/** Whether there is nothing to do; needs no write lock. */
export function isClean(ledger: SqliteLedger, options: SweepOptions): boolean {
  const { at, statements } = ledger;
  return (
    statements.over.get(at.now, 1) === undefined &&
    statements.hasForgettable.get(at.now) === undefined &&
    prunable(ledger, options).n === 0
  );
}

export function sweep(ledger: SqliteLedger, options: SweepOptions): SweepResult {
  const { at, head, statements } = ledger;
  const limit = options.limit ?? DEFAULT_SWEEP_LIMIT;
  const over = statements.over.all(at.now, limit).map((row) => decode(row));
  for (const lease of over) ledger.steps.expire(lease);
  statements.forget.run(at.now);

  const { n, through } = prunable(ledger, options);
  if (through !== null) {
    statements.setPrunedThrough.run(through);
    // The newest row is kept even when it counts as pruned: it is the counter of sequence numbers and tokens.
    statements.prune.run(through, head.last);
  }
  ledger.database.forgetHead();
  const expired = over.map((lease) => leaseOf(lease, ledger.holdsMs(lease), at));
  return { expired, pruned: n, more: over.length === limit || n >= MAX_PRUNED_ROWS };
}

/** The entries before the first that is young enough to keep, a step's worth of them at most. */
function prunable(
  { at, head, statements }: SqliteLedger,
  { historyRetentionMs }: SweepOptions,
): { readonly n: number; readonly through: number | null } {
  if (historyRetentionMs === undefined) return { n: 0, through: null };
  const after = head.pruned_through;
  // Binding takes no infinity.
  const keepFrom = Math.max(at.wallNow - historyRetentionMs, Number.MIN_SAFE_INTEGER);
  const kept = statements.firstYoungEnough.get(after, MAX_PRUNED_ROWS + 1, keepFrom);
  const found = statements.prunable.get(after, kept ?? Number.MAX_SAFE_INTEGER, MAX_PRUNED_ROWS);
  return found ?? { n: 0, through: null };
}
