/** Reading the history: a stretch of it with its bounds, from one snapshot of the file. */
import { cursorExpired, type HistoryBounds, type HistoryPage, positionAfter } from "@lease/core/backend";
import { decodeEvents } from "./codec.js";
import type { Head, Statements } from "./statements.js";

function boundsOf(head: Head): HistoryBounds {
  return { epoch: head.epoch, prunedThrough: head.pruned_through, last: lastSequence(head) };
}

/** Number of the newest entry, 0 if there was never one. */
export function lastSequence(head: Head): number {
  return head.last ?? 0;
}

/** At least one entry if there is any, at most `limit`. */
export function historyPage(statements: Statements, head: Head, after: number, limit: number): HistoryPage {
  const entries: HistoryPage["entries"][number][] = [];
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
  statements: Statements,
  head: Head,
  after: string | undefined,
): HistoryBounds {
  const bounds = boundsOf(head);
  const position = positionAfter(after, bounds);
  const first = statements.firstOfRow.get(position);
  const isKept = position === bounds.prunedThrough || (first !== undefined && first <= position);
  if (!isKept) throw cursorExpired("its entry is gone: an older state was restored and grew on from there");
  return bounds;
}
