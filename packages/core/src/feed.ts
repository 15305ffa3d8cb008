/**
 * `LeaseBackend.changes` for stores that number the entries of their history and can be read without waiting.
 */
import type { ChangesOptions } from "./backend.js";
import { cursorExpired, type HistoryBounds, positionAfter } from "./history.js";
import type { LeaseEvent } from "./model.js";
import { matchesFilters } from "./record.js";

/** What the feed needs of a store. */
export interface HistorySource {
  bounds(): HistoryBounds;
  /** Up to `limit` entries after a position, oldest first. */
  eventsAfter(
    sequence: number,
    limit: number,
  ): readonly { readonly sequence: number; readonly event: LeaseEvent }[];
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
  let position = positionAfter(options.after, source.bounds());
  const stopAt = options.follow ? Number.POSITIVE_INFINITY : source.bounds().last;

  while (!signal?.aborted && position < stopAt) {
    if (position < source.bounds().prunedThrough) throw cursorExpired("it was pruned before it was read");
    const entries = source.eventsAfter(position, PAGE);
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
