/** Reading the history: a stretch of it with its bounds, from one snapshot of the file. */
import { cursorExpired, type HistoryBounds, type HistoryPage, positionAfter } from "@lease/core";
import { decodeEvent } from "./codec.js";
import type { Head, Statements } from "./statements.js";

export function boundsOf(head: Head): HistoryBounds {
  return { epoch: head.epoch, prunedThrough: head.pruned_through, last: lastSequence(head) };
}

/** Number of the newest entry, 0 if there was never one. */
export function lastSequence(head: Head): number {
  return head.last ?? 0;
}

export function historyPage(
  statements: Statements,
  head: Head,
  sequence: number,
  limit: number,
): HistoryPage {
  const entries = statements.historyAfter
    .all(sequence, limit)
    .map((row) => ({ sequence: row.sequence, event: decodeEvent(row, head.epoch) }));
  return { entries, prunedThrough: head.pruned_through };
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
  const isKept = position === bounds.prunedThrough || statements.hasEntry.get(position) !== undefined;
  if (!isKept) throw cursorExpired("its entry is gone: an older state was restored and grew on from there");
  return bounds;
}
