import type { LeaseEvent } from "@lease/core";
import type { WhenCursorExpired, WhenFull } from "./policies.js";

/**
 * What a route tells besides delivering: nothing that is lost, late or repeated goes unsaid. `sink` is the route's name.
 */
export type Report = { readonly sink: string } & (
  | {
      /** A delivery failed and is made again after `retryInMs`. */
      readonly type: "retrying";
      /** How often it was tried so far. */
      readonly attempt: number;
      readonly retryInMs: number;
      readonly error: unknown;
    }
  | {
      /** Trying again was no use, and the dead-letter handler took the events. The route goes on behind them. */
      readonly type: "dead-letter";
      readonly cursors: readonly string[];
      readonly error: unknown;
    }
  | {
      /** The dead-letter handler failed: the delivery that it was called for is made again. */
      readonly type: "dead-letter-failed";
      readonly error: unknown;
    }
  | {
      /** The buffer was full, and these events were given up, as `whenFull` asks: so many, between these cursors. */
      readonly type: "dropped";
      readonly policy: Extract<WhenFull, "drop-oldest" | "drop-newest">;
      readonly count: number;
      readonly first: string;
      readonly last: string;
    }
  | {
      /**
       * The history no longer reaches back to where the route was: what lay between is lost to it. It stops, or goes
       * on at the oldest entry kept (`"start"`) or with what is new (`"end"`).
       */
      readonly type: "cursor-expired";
      /** The cursor that expired; `null` where the route had only just begun. */
      readonly cursor: string | null;
      readonly policy: WhenCursorExpired;
      readonly error: unknown;
    }
  | {
      /** The change feed broke; it is taken up again, where it broke, after a pause. */
      readonly type: "feed-failed";
      readonly error: unknown;
    }
  | {
      /** The cursor could not be stored. A restart before the next one is stored delivers again from the one before. */
      readonly type: "cursor-not-saved";
      readonly cursor: string;
      readonly error: unknown;
    }
  | {
      /** `close()` of the sink failed. */
      readonly type: "not-closed";
      readonly error: unknown;
    }
  | {
      /**
       * The route has stopped by itself, and only a new `start()` takes it up again, from its cursor. `full`: its
       * buffer was, and `whenFull` is `"stop"`. `refused`: the sink refused events and nobody takes dead letters.
       * `cursor-expired`: as `whenCursorExpired` says. `feed`: the feed failed for good. What was in its buffer is still
       * delivered, except behind a refusal.
       */
      readonly type: "stopped";
      readonly why: "full" | "refused" | "cursor-expired" | "feed";
      readonly error: unknown;
    }
);

/** Events that a sink refused, or that failed too often. */
export interface DeadLetter {
  /** The route's name. */
  readonly sink: string;
  readonly events: readonly LeaseEvent[];
  /** Why, from the last attempt. */
  readonly error: unknown;
  readonly attempts: number;
}

/** Omits from each member of a union. */
type Unnamed<T> = T extends unknown ? Omit<T, "sink"> : never;

/** A report before its route has put its name on it. */
export type Telling = Unnamed<Report>;

/** Calls what a user gave us. Whatever becomes of it, now or later, the caller goes on. */
export function callSafely<A extends unknown[]>(
  callback: (...args: A) => unknown,
  onError: (error: unknown) => void,
  ...args: A
): void {
  try {
    const returned = callback(...args);
    // An async function passes for one that returns nothing; its rejection must not end the process.
    if (returned instanceof Promise) returned.catch(onError);
  } catch (error) {
    onError(error);
  }
}
