/**
 * The change feed as server-sent events (html.spec.whatwg.org/multipage/server-sent-events.html).
 *
 * A stream that pulls: an event is read from the backend when the client took the one before, so a slow client costs
 * no memory. (The plugins looked at push, or wait for a drain that never comes once a slow client hangs up.)
 */
import { Readable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import type { LeaseBackend, LeaseEvent } from "@lease/core";
import { type ChangesOptions, presentEnd } from "@lease/core/backend";
import { problemOf } from "./problems.js";

export interface EventStreamOptions {
  /** Between two comments while nothing happens. */
  readonly heartbeatMs: number;
  /** Ends the stream. */
  readonly signal: AbortSignal;
}

/**
 * Opens the stream.
 *
 * @throws what the backend throws for these options; once the stream has begun, an error is its last event
 */
export async function eventStream(
  backend: LeaseBackend,
  changes: ChangesOptions,
  options: EventStreamOptions,
): Promise<Readable> {
  // By name, and told at once: a client that comes back before its first event would find the end somewhere else.
  const after = changes.after === "end" ? await presentEnd(backend) : changes.after;
  // Tried first: once the stream has begun, no status can say that the cursor is too old.
  for await (const _ of backend.changes({ ...changes, after, follow: false })) break;
  return Readable.from(frames(backend, { ...changes, after }, options));
}

async function* frames(backend: LeaseBackend, changes: ChangesOptions, options: EventStreamOptions) {
  const { heartbeatMs, signal } = options;
  // Also sends the head of the answer before anything happens. An id without data is no event, and still what the
  // client comes back with.
  yield changes.after === undefined ? "retry: 1000\n\n" : `retry: 1000\nid: ${changes.after}\n\n`;
  const events = backend.changes({ ...changes, follow: true, signal })[Symbol.asyncIterator]();
  try {
    let next = events.next();
    for (;;) {
      const step = await inTime(next, heartbeatMs);
      if (step === null) {
        yield ": still here\n\n";
      } else {
        if (step.done === true) return;
        yield frame(step.value);
        next = events.next();
      }
    }
  } catch (error) {
    if (!signal.aborted) yield `event: error\ndata: ${JSON.stringify(problemOf(error))}\n\n`;
  } finally {
    await events.return?.();
  }
}

function frame(event: LeaseEvent): string {
  return `id: ${event.cursor}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

/** What a promise gives, or `null` when that takes longer. */
async function inTime<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  const over = new AbortController();
  const late = setTimeout(ms, null, { signal: over.signal, ref: false }).catch(() => null);
  try {
    return await Promise.race([promise, late]);
  } finally {
    over.abort();
  }
}
