/** Reading the history: a stretch of it with its bounds, from one snapshot of the file. */
import { cursorExpired, type HistoryBounds, type HistoryPage, positionAfter } from "@lease/core/backend";
import { decodeEvents, type HistoryEntry } from "./codec.js";
import type { SqliteLedger } from "./ledger.js";

/** At least one entry if there is any, at most `limit`. */
export function historyPage({ statements, head }: SqliteLedger, after: number, limit: number): HistoryPage {
  const entries: HistoryEntry[] = [];
  let position = after;
  while (entries.length < limit) {
    const row = statements.historyAfter.get(position);
    if (row === undefined) break;
    entries.push(...decodeEvents(row, head.epoch).filter(({ sequence }) => sequence > position));
    position = row.sequence;
  }
  return { entries: entries.slice(0, limit), prunedThrough: head.pruned_through };
}

/**
 * The bounds, once it is sure that the entry of the cursor is among what is kept. A restored backup that then grew
 * past the cursor has other entries there, and would be read on from with a gap.
 */
export function boundsWithCursor(
  { statements, head }: SqliteLedger,
  after: string | undefined,
): HistoryBounds {
  const bounds = { epoch: head.epoch, prunedThrough: head.pruned_through, last: head.last };
  const position = positionAfter(after, bounds);
  const first = statements.firstOfRow.get(position);
  const isKept = position === bounds.prunedThrough || (first !== undefined && first <= position);
  if (!isKept) throw cursorExpired("its entry is gone: an older state was restored and grew on from there");
  return bounds;
}
