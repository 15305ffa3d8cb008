/** What one does with leases that are there: look, wait for one's turn, renew, end. */
import type { ReleaseRequest } from "@lease/core/backend";
import type { Static } from "typebox";
import type { Routes } from "../context.js";
import { goneSignal } from "../gone.js";
import { notFound, releaseOutcome, renewedLease } from "../outcomes.js";
import { answers } from "../schemas/answers.js";
import { IdParams, ListQuery, ReleaseQuery, RenewBody, TurnQuery } from "../schemas/requests.js";
import { invalid, ofOneRequest, withFields } from "../validation.js";

const tags = ["leases"];

export const leaseRoutes: Routes = async (app, { backend, draining, polls, limits }) => {
  app.get(
    "/v1/leases",
    {
      schema: {
        summary: "Live leases, in order of their tokens",
        tags,
        querystring: ListQuery,
        response: answers({ 200: ["LeasePage", "A page of them"] }, 400, 401, 421, 500, 503),
      },
    },
    (request) => backend.list(request.query),
  );

  app.get(
    "/v1/leases/:id",
    {
      schema: {
        summary: "One live lease",
        tags,
        params: IdParams,
        response: answers({ 200: ["Lease", "It"] }, 400, 401, 404, 421, 500, 503),
      },
    },
    async ({ params: { id } }) => {
      const { leases } = await withFields(ofOneRequest, () => backend.list({ ids: [id] }));
      if (leases[0] === undefined) throw notFound(id);
      return leases[0];
    },
  );

  app.get(
    "/v1/leases/:id/turn",
    {
      // A HEAD would wait as long, to say nothing.
      exposeHeadRoute: false,
      schema: {
        summary: "Answers when a pending lease may have reached its turn: a hint, the PUT decides",
        tags,
        params: IdParams,
        querystring: TurnQuery,
        response: answers({ 200: ["Turn", "Ask now"] }, 400, 401, 421, 500, 503),
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      polls.take(request, reply);
      const signal = goneSignal(reply, draining);
      const startedAt = performance.now();
      await backend.turn({ id, timeoutMs: request.query.timeoutMs ?? limits.turnMs, signal });
      signal.throwIfAborted();
      return { id, waitedMs: Math.round(performance.now() - startedAt) };
    },
  );

  app.post(
    "/v1/leases/:id/renew",
    {
      schema: {
        summary: "Renew a lease: its TTL from now on, never less than it has; safe to repeat with a count",
        description:
          "Count the renewals that were answered, not those that were sent: `renewal` is always `renewals` of the last answer + 1. After a lost answer the same count again is safe: it is counted once, and answered with `repeated`. A count that skips some is refused with 409 RENEWAL_OUT_OF_ORDER and writes nothing; the problem's `renewals` says what is counted, so a client that lost count goes on with one more.",
        tags,
        params: IdParams,
        body: RenewBody,
        response: answers(
          { 200: ["RenewedLease", "Renewed, or renewed before by this very count"] },
          400,
          401,
          403,
          404,
          409,
          410,
          413,
          415,
          421,
          500,
          503,
        ),
      },
    },
    async ({ params: { id }, body }) => {
      const [result] = await withFields(ofOneRequest, () => backend.renew([{ id, ...body }]));
      return result && renewedLease(id, result);
    },
  );

  app.delete(
    "/v1/leases/:id",
    {
      schema: {
        summary:
          "Give a lease back, leave the queue, or (force) revoke another agent's lease; safe to repeat",
        tags,
        params: IdParams,
        querystring: ReleaseQuery,
        response: answers({ 200: ["Released", "What became of it"] }, 400, 401, 403, 421, 500, 503),
      },
    },
    async ({ params: { id }, query }) => {
      const request = releaseRequest(id, query);
      const [result] = await withFields(ofOneRequest, () => backend.release([request]));
      return result && releaseOutcome(id, result);
    },
  );
};

function releaseRequest(id: string, query: Static<typeof ReleaseQuery>): ReleaseRequest {
  const { agentId, token, abandon = false, force = false, by, reason, graceMs } = query;
  if (force) {
    if (abandon) throw invalid("abandon", "cannot go with force: a revoked id is remembered anyway");
    for (const [field, value] of Object.entries({ agentId, token })) {
      if (value !== undefined)
        throw invalid(
          field,
          "cannot go with force, which ends the id whatever its agent; by says who revokes",
        );
    }
    if (by === undefined)
      throw invalid("by", "is missing: it is recorded, and the holder learns who revokes");
    return { kind: "revoke", id, by, reason: reason ?? null, graceMs: graceMs ?? 0 };
  }
  for (const [field, value] of Object.entries({ by, reason, graceMs })) {
    if (value !== undefined)
      throw invalid(field, "goes with force=true only, which revokes another agent's lease");
  }
  if (agentId === undefined)
    throw invalid("agentId", "is missing: whose lease is it? (force=true&by=… revokes)");
  if (!abandon) return { kind: "release", id, agentId, token };
  if (token !== undefined)
    throw invalid("token", "cannot go with abandon, which ends the id whatever its token");
  return { kind: "abandon", id, agentId };
}
