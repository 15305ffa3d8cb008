/** The record of what happened: read in pages, or followed as server-sent events. */

import type { LeaseBackend, LeaseEvent, LeaseEventType } from "@lease/core";
import { type ChangesOptions, checkChanges, DEFAULT_PAGE, presentEnd } from "@lease/core/backend";
import type { Static } from "typebox";
import type { Routes } from "../context.js";
import { Channel } from "../events/audience.js";
import { Follower } from "../events/follower.js";
import { openStream } from "../events/stream.js";
import { goneSignal } from "../gone.js";
import { answers, text } from "../schemas/answers.js";
import { EventsQuery, HistoryQuery } from "../schemas/requests.js";
import { ofOneRequest, withFields } from "../validation.js";

const tags = ["history"];

export const historyRoutes: Routes = async (app, { backend, draining, feed, streams, limits }) => {
  app.get(
    "/v1/history",
    {
      schema: {
        summary: "What happened, oldest first",
        tags,
        querystring: HistoryQuery,
        response: answers({ 200: ["EventPage", "A page of it"] }, 400, 401, 410, 421, 500, 503),
      },
    },
    ({ query: { limit = DEFAULT_PAGE, ...filters } }) =>
      withFields(ofOneRequest, () => readPage(backend, changesOf(filters), limit)),
  );

  app.get(
    "/v1/events",
    {
      // A HEAD would open a stream to say nothing.
      exposeHeadRoute: false,
      schema: {
        summary: "What happens, as server-sent events; resumes after Last-Event-ID",
        tags,
        querystring: EventsQuery,
        response: {
          ...answers({}, 400, 401, 410, 421, 500, 503),
          200: text(
            "text/event-stream",
            "One event each: id is its cursor, event its type, data a LeaseEvent. An id alone says where the stream begins",
          ),
        },
      },
    },
    async (request, reply) => {
      const { query, headers } = request;
      draining.refuse();
      streams.take(request, reply);
      // What the client saw last is newer than the URL that it was opened with.
      const after = headers["last-event-id"]?.toString() || query.after;
      const { raw } = reply;
      const follower = new Follower(raw, { bufferBytes: limits.streamBufferBytes, closeMs: limits.closeMs });
      const begin = () => {
        reply.hijack();
        // Its end is the end of the connection: a frame then needs no head of its own.
        raw.removeHeader("transfer-encoding");
        const headers = { ...reply.getHeaders(), ...STREAM_HEADERS };
        for (const [name, value] of Object.entries(headers))
          if (value !== undefined) raw.setHeader(name, value);
        raw.writeHead(200);
      };
      const stream = {
        follower,
        changes: { ...changesOf(query), after },
        begin,
        signal: goneSignal(reply, draining),
      };
      await withFields(ofOneRequest, () => openStream(feed, backend, stream));
    },
  );
};

/** "no": a proxy that buffers would hold events back (nginx). */
const STREAM_HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache",
  "x-accel-buffering": "no",
};

function changesOf({ id, types, ...filters }: Static<typeof EventsQuery>): ChangesOptions {
  return {
    ...filters,
    ids: id === undefined ? undefined : [id],
    // Checked by the backend.
    types: types?.split(",") as LeaseEventType[] | undefined,
  };
}

/** As many events are looked at for one page. With filters that let little pass, a page may show fewer, or none. */
const LOOKED_AT = 10_000;

async function readPage(backend: LeaseBackend, { after, ...filters }: ChangesOptions, limit: number) {
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
