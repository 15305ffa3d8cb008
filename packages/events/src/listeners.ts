import type { LeaseEvent, LeaseEventType } from "@lease/core";
import { callSafely } from "./report.js";
import type { Sink } from "./sink.js";

/** How listeners are called, and who hears of those that fail. */
export interface ListenerSinkOptions {
  /** Told when a listener throws or rejects. What it throws itself is ignored. */
  readonly onError: (error: unknown, event: LeaseEvent) => void;
}

/** Listeners in this process, as a sink. */
export interface ListenerSink extends Sink {
  /**
   * Calls `listener` for every event of these types, in order; `"*"` for all.
   *
   * A listener that returns a promise is not waited for: it holds up nobody, and an event counts as delivered when every
   * listener was called. Work that must have been done is a sink of its own: `{ deliver: async (batch) => … }`.
   *
   * @returns a function that ends it
   */
  on<T extends LeaseEventType>(
    types: T | readonly T[] | "*",
    listener: (event: LeaseEvent & { readonly type: T }) => unknown,
  ): () => void;
}

/** Cursors are stored once for so many events. */
const MAX_BATCH = 64;

/** Calls listeners, each whatever becomes of the others. */
export function listenerSink({ onError }: ListenerSinkOptions): ListenerSink {
  const listeners = new Set<(event: LeaseEvent) => void>();
  return {
    maxBatch: MAX_BATCH,
    on<T extends LeaseEventType>(
      types: T | readonly T[] | "*",
      listener: (event: LeaseEvent & { readonly type: T }) => unknown,
    ) {
      const wanted: ReadonlySet<string> | null =
        types === "*" ? null : new Set(typeof types === "string" ? [types] : types);
      const own = (event: LeaseEvent) => {
        if (wanted !== null && !wanted.has(event.type)) return;
        const failed = (error: unknown) => callSafely(onError, () => {}, error, event);
        callSafely(listener, failed, event as LeaseEvent & { readonly type: T });
      };
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    deliver(batch) {
      for (const { event } of batch) for (const listener of [...listeners]) listener(event);
    },
  };
}
