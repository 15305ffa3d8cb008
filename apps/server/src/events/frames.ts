/** Server-sent events as text (html.spec.whatwg.org/multipage/server-sent-events.html). */
import type { LeaseEvent } from "@lease/core";
import { problemOf } from "../problems.js";

/** How long a client that lost its stream waits before it asks again. */
const RETRY_MS = 1000;

/**
 * The head of a stream. An id without data is no event, and still what a client comes back with.
 *
 * @param after - where the stream begins; left out for the oldest entry kept, which has no name
 */
export function beginning(after: string | undefined): string {
  return `retry: ${RETRY_MS}\n${idLine(after)}\n`;
}

export function frameOf(event: LeaseEvent): string {
  return `id: ${event.cursor}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

/** A comment, with the place up to which the stream has sent all that passes its filters. */
export function stillHere(after: string | undefined): string {
  return `: still here\n${idLine(after)}\n`;
}

/** Why a stream ends. Not named "error", which is what `EventSource` calls its own events. */
export function problemFrame(error: unknown): string {
  return `event: problem\ndata: ${JSON.stringify(problemOf(error))}\n\n`;
}

function idLine(after: string | undefined): string {
  return after === undefined ? "" : `id: ${after}\n`;
}
