/** What those who run the server ask of it. */
import { setTimeout } from "node:timers/promises";
import { LeaseError } from "@lease/core";
import type { Routes } from "../context.js";
import { answers, text } from "../schemas/answers.js";
import { SweepBody } from "../schemas/requests.js";

/** Routes that stand beside the leases. */
export const operationRoutes: Routes = async (app, { backend, registry }) => {
  app.post(
    "/v1/sweep",
    {
      schema: {
        summary: "End what is past its time and, if told to, prune the history; the server does so by itself",
        tags: ["operations"],
        body: SweepBody,
        response: answers(
          { 200: ["Swept", "What was ended and how much pruned"] },
          400,
          401,
          413,
          415,
          421,
          500,
          503,
        ),
      },
    },
    (request) => backend.sweep(request.body ?? {}),
  );

  app.get(
    "/metrics",
    {
      // Asked every few seconds.
      logLevel: "warn",
      schema: {
        summary: "Metrics for Prometheus: leases, the backend, this process",
        tags: ["operations"],
        response: { ...answers({}, 401, 421, 500), 200: text(registry.contentType, "Prometheus text") },
      },
    },
    async (_, reply) => reply.type(registry.contentType).send(await registry.metrics()),
  );

  app.get("/openapi.json", { schema: { hide: true } }, () => app.swagger());
};

/** A readiness probe waits this long for the backend. */
const READY_MS = 2_000;

/** Routes that need no token: they tell nothing of the leases. */
export const healthRoutes: Routes = async (app, { backend, draining }) => {
  const schema = {
    tags: ["operations"],
    security: [],
    response: answers({ 200: ["Health", "Yes"] }, 503),
  };
  app.get(
    "/healthz",
    { logLevel: "warn", schema: { ...schema, summary: "Whether the process lives" } },
    async () => ({
      status: "ok",
    }),
  );

  app.get(
    "/readyz",
    {
      logLevel: "warn",
      schema: { ...schema, summary: "Whether leases can be had: the backend answers, nobody shuts it down" },
    },
    async () => {
      draining.refuse();
      const late = setTimeout(READY_MS, undefined, { ref: false }).then(() => {
        throw new LeaseError("BACKEND_UNAVAILABLE", "The backend does not answer.");
      });
      await Promise.race([backend.list({ limit: 1 }), late]);
      return { status: "ready" };
    },
  );
};
