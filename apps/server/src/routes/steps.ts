/**
 * The contract over HTTP, for backends that keep their leases here: batches, each request answered for itself, no waiting
 * but in `turns`, no look for deadlocks. The routes for people are built on the same steps; these are the steps.
 */
import { setMaxListeners } from "node:events";
import { Readable } from "node:stream";
import { type LeaseBackend, MAX } from "@lease/core";
import type { AcquireRequest } from "@lease/core/backend";
import type { Routes } from "../context.js";
import { eventPage } from "../event-page.js";
import { goneSignal } from "../gone.js";
import { STEP_LIMITS } from "../limits.js";
import { problemOf } from "../problems.js";
import { answers, text } from "../schemas/answers.js";
import {
  AcquireBatch,
  ChangesBody,
  ListBody,
  ReleaseBatch,
  RenewBatch,
  TurnsBody,
} from "../schemas/steps.js";
import { ofOneRequest, renamed } from "../validation.js";

const tags = ["steps"];
const bodyLimit = STEP_LIMITS.bodyBytes;
const problems = [400, 401, 413, 415, 421, 500, 503];

export const stepRoutes: Routes = async (app, context) => {
  const { backend, draining } = context;

  app.get(
    "/v1/limits",
    {
      schema: {
        summary: "What the store behind this server can do: what a backend over HTTP reads first",
        tags,
        response: answers({ 200: ["Limits", "Its limits"] }, 401, 421, 500),
      },
    },
    async () => ({ contract: STEP_LIMITS.contract, kind: backend.kind, limits: backend.limits, ...sizes }),
  );

  app.post(
    "/v1/steps/acquire",
    {
      bodyLimit,
      schema: {
        summary: "Ask for leases, each answered for itself and at once",
        tags,
        body: AcquireBatch,
        response: answers({ 200: ["AcquireResults", "An answer for each request"] }, ...problems),
      },
    },
    ({ body }) => {
      draining.refuse();
      return each(body.requests, (request) => backend.acquire(withoutHandOff(request)));
    },
  );

  app.post(
    "/v1/steps/renew",
    {
      bodyLimit,
      schema: {
        summary: "Renew leases, each answered for itself",
        tags,
        body: RenewBatch,
        response: answers({ 200: ["RenewResults", "An answer for each request"] }, ...problems),
      },
    },
    ({ body }) => each(body.requests, async (request) => (await backend.renew([request]))[0]),
  );

  app.post(
    "/v1/steps/release",
    {
      bodyLimit,
      schema: {
        summary: "End leases and places in the queue, each answered for itself",
        tags,
        body: ReleaseBatch,
        response: answers({ 200: ["ReleaseResults", "An answer for each request"] }, ...problems),
      },
    },
    ({ body }) => each(body.requests, async (request) => (await backend.release([request]))[0]),
  );

  app.post(
    "/v1/steps/list",
    {
      bodyLimit,
      schema: {
        summary: "Live leases, also by many ids or none",
        tags,
        body: ListBody,
        response: answers({ 200: ["LeasePage", "A page of them"] }, ...problems),
      },
    },
    ({ body }) => backend.list(body),
  );

  app.post(
    "/v1/steps/changes",
    {
      bodyLimit,
      schema: {
        summary: "A page of the history, also by many ids or none",
        tags,
        body: ChangesBody,
        response: answers({ 200: ["EventPage", "A page of it"] }, ...problems, 410),
      },
    },
    ({ body: { limit = MAX.page, ...filters } }) => eventPage(backend, filters, limit),
  );

  app.post(
    "/v1/steps/turns",
    {
      bodyLimit,
      schema: {
        summary: "One long poll for all that wait in a client: a line for each id whose turn may have come",
        tags,
        body: TurnsBody,
        response: {
          ...answers({}, ...problems),
          200: text<Readable>("application/x-ndjson", 'Lines such as {"id":"…"}, until `timeoutMs` is over'),
        },
      },
    },
    async ({ body }, reply) => {
      draining.refuse();
      const turns = reachedTurns(backend, body, goneSignal(reply, draining));
      return reply.type("application/x-ndjson").send(Readable.from(turns));
    },
  );
};

const sizes = {
  requests: STEP_LIMITS.requests,
  bodyBytes: STEP_LIMITS.bodyBytes,
  turnsMs: STEP_LIMITS.turnsMs,
};

/** Requests of one batch reach the store together; what is wrong with one is answered to that one. */
async function each<R>(requests: readonly R[], run: (request: R) => Promise<unknown>) {
  const results = await Promise.all(
    requests.map((request) =>
      run(request).catch((error: unknown) => ({ error: problemOf(renamed(error, ofOneRequest)) })),
    ),
  );
  return { results };
}

/** A client may be gone by the time its turn comes: granted unasked, the lease would be held for nobody. */
function withoutHandOff(request: AcquireRequest): AcquireRequest {
  return request.wait === "hand-off" ? { ...request, wait: "queue" } : request;
}

/** Lines of JSON, one for each id whose turn may have come. It ends after `timeoutMs`, or when none is left. */
async function* reachedTurns(
  backend: LeaseBackend,
  { ids, timeoutMs }: { readonly ids: readonly string[]; readonly timeoutMs: number },
  gone: AbortSignal,
): AsyncGenerator<string, void> {
  const over = new AbortController();
  // Each turn listens to it.
  setMaxListeners(0, over.signal);
  const end = () => over.abort();
  gone.addEventListener("abort", end);
  const until = performance.now() + timeoutMs;
  let lines = "";
  let left = ids.length;
  let wake = () => {};
  const settled = (line: object) => {
    left -= 1;
    if (!over.signal.aborted && performance.now() < until) lines += `${JSON.stringify(line)}\n`;
    wake();
  };
  for (const id of ids) {
    backend.turn({ id, timeoutMs, signal: over.signal }).then(
      () => settled({ id }),
      (error: unknown) => settled({ id, error: problemOf(error) }),
    );
  }
  try {
    // The head goes out before anything happens.
    yield "\n";
    while (!gone.aborted) {
      const ready = lines;
      lines = "";
      if (ready !== "") yield ready;
      else if (left === 0) return;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    gone.removeEventListener("abort", end);
    over.abort();
  }
}
