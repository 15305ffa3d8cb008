/** A page of the history. */
import type { LeaseBackend, LeaseEvent } from "@lease/core";
import { type ChangesOptions, checkChanges, presentEnd } from "@lease/core/backend";
import { Channel } from "./events/audience.js";

/** As many events are looked at for one page. With filters that let little pass, a page may show fewer, or none. */
const LOOKED_AT = 10_000;

export async function eventPage(backend: LeaseBackend, { after, ...filters }: ChangesOptions, limit: number) {
  // The store is asked for everything, so that a page that shows nothing still knows how far it looked.
  checkChanges(filters);
  const wanted = new Channel("", filters);
  const events: LeaseEvent[] = [];
  let cursor = after === undefined || after === "end" ? await presentEnd(backend) : after;
  let looked = 0;
  for await (const event of backend.changes({ after: after === "end" ? cursor : after })) {
    if (events.length === limit || looked === LOOKED_AT) return { events, cursor, next: cursor };
    looked += 1;
    cursor = event.cursor;
    if (wanted.wants(event)) events.push(event);
  }
  return { events, cursor, next: null };
}
