/** The record of what happened: read in pages, or followed as server-sent events. */

import type { LeaseEvent } from "@lease/core";
import { type ChangesOptions, DEFAULT_PAGE } from "@lease/core/backend";
import type { Static } from "typebox";
import type { Routes } from "../context.js";
import { eventPage } from "../event-page.js";
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
      withFields(ofOneRequest, () => eventPage(backend, changesOf(filters), limit)),
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
    types: types?.split(",") as LeaseEvent["type"][] | undefined,
  };
}
