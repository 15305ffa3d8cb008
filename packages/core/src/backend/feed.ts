/**
 * `LeaseBackend.changes` for stores that number the entries of their history.
 */

import type { LeaseEvent } from "../model/model.js";
import type { ChangesOptions } from "./backend.js";
import { cursorExpired, type HistoryBounds, positionAfter } from "./history.js";
import { matchesFilters } from "./record.js";

/** A stretch of a history. */
export interface HistoryPage {
  /** Oldest first. */
  readonly entries: readonly { readonly sequence: number; readonly event: LeaseEvent }[];
  /** As in {@link HistoryBounds}, read in the same step: another process may prune at any moment. */
  readonly prunedThrough: number;
}

/** What the feed needs of a store; it may answer at once or later. */
export interface HistorySource {
  bounds(): HistoryBounds | Promise<HistoryBounds>;
  /** Up to `limit` entries after a position. */
  page(sequence: number, limit: number): HistoryPage | Promise<HistoryPage>;
  /**
   * Resolves when there may be an entry after `sequence`, or when the signal aborts; rejects with `CLOSED` when the
   * backend is closed.
   */
  entryAfter(sequence: number, signal: AbortSignal | undefined): Promise<void>;
}

const PAGE = 256;

/** Reads on from a cursor, in order and without a gap, and with `follow` for as long as the signal lets it. */
export async function* readChanges(
  options: ChangesOptions,
  source: HistorySource,
): AsyncGenerator<LeaseEvent, void> {
  const { signal } = options;
  const bounds = await source.bounds();
  let position = positionAfter(options.after, bounds);
  const stopAt = options.follow ? Number.POSITIVE_INFINITY : bounds.last;

  while (!signal?.aborted && position < stopAt) {
    const { entries, prunedThrough } = await source.page(position, PAGE);
    if (position < prunedThrough) throw cursorExpired("it was pruned before it was read");
    if (entries.length === 0) {
      if (!options.follow) return;
      await source.entryAfter(position, signal);
      continue;
    }
    for (const { sequence, event } of entries) {
      if (signal?.aborted || sequence > stopAt) return;
      position = sequence;
      if (passes(event, options)) yield event;
    }
  }
}

function passes(event: LeaseEvent, options: ChangesOptions): boolean {
  return (options.types?.includes(event.type) ?? true) && matchesFilters(event.lease, options);
}
