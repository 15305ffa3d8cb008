/** The record of what happened: read in pages, or followed as server-sent events. */

import type { Readable } from "node:stream";
import type { LeaseBackend, LeaseEvent, LeaseEventType } from "@lease/core";
import { type ChangesOptions, DEFAULT_PAGE } from "@lease/core/backend";
import type { Static } from "typebox";
import type { Routes } from "../context.js";
import { eventStream } from "../event-stream.js";
import { goneSignal } from "../gone.js";
import { answers, text } from "../schemas/answers.js";
import { EventsQuery, HistoryQuery } from "../schemas/requests.js";
import { ofOneRequest, withFields } from "../validation.js";

const tags = ["history"];

export const historyRoutes: Routes = async (app, { backend, draining, limits }) => {
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
          200: text<Readable>(
            "text/event-stream",
            "One event each: id is its cursor, event its type, data a LeaseEvent. An id alone says where the stream begins",
          ),
        },
      },
    },
    async ({ query, headers }, reply) => {
      draining.refuse();
      // What the client saw last is newer than the URL that it was opened with.
      const after = headers["last-event-id"]?.toString() || query.after;
      const options = { ...changesOf(query), after };
      const stream = await withFields(ofOneRequest, () =>
        eventStream(backend, options, {
          heartbeatMs: limits.heartbeatMs,
          signal: goneSignal(reply, draining),
        }),
      );
      // "no": a proxy that buffers would hold events back (nginx).
      void reply.headers({ "cache-control": "no-cache", "x-accel-buffering": "no" });
      return reply.type("text/event-stream").send(stream);
    },
  );
};

function changesOf({ id, types, ...filters }: Static<typeof EventsQuery>): ChangesOptions {
  return {
    ...filters,
    ids: id === undefined ? undefined : [id],
    // Checked by the backend.
    types: types?.split(",") as LeaseEventType[] | undefined,
  };
}

async function readPage(backend: LeaseBackend, options: ChangesOptions, limit: number) {
  const events: LeaseEvent[] = [];
  for await (const event of backend.changes(options)) {
    if (events.length === limit) return { events, next: events.at(-1)?.cursor ?? null };
    events.push(event);
  }
  return { events, next: null };
}
