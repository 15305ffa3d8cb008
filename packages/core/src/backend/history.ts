/**
 * Positions in a change history. A cursor is opaque to users; stores that number their entries use this form of it.
 */
import { LeaseError } from "../errors.js";

/** Where a store's history stands. */
export interface HistoryBounds {
  /** New with every new history, so that a cursor of another one is noticed. */
  readonly epoch: string;
  /** The newest entry that was pruned, 0 if none was. */
  readonly prunedThrough: number;
  /** The newest entry, or `prunedThrough` when there is none. */
  readonly last: number;
}

/** The cursor of entry `sequence`. The epoch must not contain a dot. */
export function formatCursor(epoch: string, sequence: number): string {
  return `${epoch}.${sequence}`;
}

/**
 * The entry after which to go on.
 *
 * @param after - as in `ChangesOptions`: a cursor, `"end"`, or left out for the oldest entry kept
 * @throws `CURSOR_EXPIRED` when there would be a gap after it
 */
export function positionAfter(after: string | undefined, bounds: HistoryBounds): number {
  if (after === undefined) return bounds.prunedThrough;
  if (after === "end") return bounds.last;
  const [, epoch, digits] = /^([^.]+)\.(\d{1,16})$/.exec(after) ?? [];
  if (epoch !== bounds.epoch)
    throw cursorExpired("it is of another history: the store was made anew or restored");
  const sequence = Number(digits);
  if (sequence < bounds.prunedThrough) throw cursorExpired("entries after it were pruned");
  if (sequence <= bounds.last) return sequence;
  throw cursorExpired("it lies past the end of the history: an older state was restored");
}

/** The error for a cursor that cannot be resumed. */
export function cursorExpired(why: string): LeaseError<"CURSOR_EXPIRED"> {
  return new LeaseError(
    "CURSOR_EXPIRED",
    `This cursor cannot be resumed: ${why}. Read the live leases again with list(), then follow from the cursor of that page.`,
  );
}
