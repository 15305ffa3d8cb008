/** Asking for leases: at once, with a long poll, or with a ticket. */
import { type Claim, createLeaseId, DEFAULTS, isLeaseError, queueForLease } from "@lease/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Static } from "typebox";
import type { Context, Routes } from "../context.js";
import { goneSignal } from "../gone.js";
import { answers } from "../schemas/answers.js";
import { AcquireBody, IdParams } from "../schemas/requests.js";
import { invalid, renamed } from "../validation.js";
import type { Asked, Granted } from "../waiters.js";

type Body = Static<typeof AcquireBody>;
/** A request that stays queued. */
type Ticket = Exclude<Awaited<ReturnType<typeof queueForLease>>, { status: "granted" }>;

const response = answers(
  {
    200: ["Lease", "The id was granted before; this repeats the answer and extends nothing"],
    201: ["Lease", "Granted"],
    202: [
      "PendingLease",
      "Queued, with `wait: true`: the same PUT again keeps the place and checks for a grant",
    ],
  },
  ...[400, 401, 403, 409, 410, 413, 415, 421, 500, 503, 507],
);

export const acquireRoutes: Routes = async (app, context) => {
  app.post(
    "/v1/leases",
    {
      schema: {
        summary: "Ask for a lease; the server makes its id",
        tags: ["leases"],
        body: AcquireBody,
        response,
      },
    },
    (request, reply) => acquire(context, createLeaseId(), request, reply),
  );
  app.put(
    "/v1/leases/:id",
    {
      schema: {
        summary: "Ask for a lease by its id; safe to repeat",
        tags: ["leases"],
        params: IdParams,
        body: AcquireBody,
        response,
      },
    },
    (request, reply) => acquire(context, request.params.id, request, reply),
  );
};

async function acquire(
  { backend, waiters, draining, polls }: Context,
  id: string,
  request: FastifyRequest,
  reply: FastifyReply,
) {
  const body = request.body as Body;
  draining.refuse();
  if (body.wait === true && body.waitMs !== undefined) {
    throw invalid(
      "waitMs",
      "cannot go with wait: true, which answers at once; GET /v1/leases/{id}/turn is its long poll",
    );
  }
  const asked = askedOf(id, body);
  const waitMs = body.waitMs ?? 0;
  if (waitMs > 0) polls.take(request, reply);
  // Also where the outcome is unknown: a client that did not choose the id must learn it, or could not ask again.
  const location = () => void reply.header("location", `/v1/leases/${id}`);
  let answer: Granted | Ticket;
  try {
    answer = await (body.wait === true
      ? queueForLease(backend, asked)
      : waiters.acquire(asked, waitMs, goneSignal(reply, draining)));
  } catch (error) {
    if (isLeaseError(error, "OUTCOME_UNKNOWN")) location();
    throw renamed(error, (field) => fieldIn(body, field));
  }
  location();
  if (!("repeated" in answer)) return reply.code(202).send(pending(answer, asked));
  return reply.code(answer.repeated ? 200 : 201).send(answer.lease);
}

function askedOf(id: string, body: Body): Asked {
  return {
    id,
    agentId: body.agentId,
    claims: claimsOf(body),
    ttlMs: body.ttlMs ?? DEFAULTS.ttlMs,
    maxRenewals: body.maxRenewals ?? null,
    waitTtlMs: body.waitTtlMs ?? DEFAULTS.waitTtlMs,
    holding: body.holding ?? [],
    reason: body.reason ?? null,
    metadata: body.metadata ?? null,
  };
}

function claimsOf({ resources, mode, claims }: Body): readonly Claim[] {
  if (claims === undefined) {
    if (resources === undefined)
      throw invalid("resources", "is missing: name what to lease, there or in claims");
    return resources.map((resource) => ({ resource, mode: mode ?? "exclusive" }));
  }
  if (resources !== undefined)
    throw invalid("claims", "cannot go with resources: name everything in one of them");
  if (mode !== undefined) throw invalid("mode", "goes with resources; each of the claims has its own");
  return claims;
}

/** Core knows claims only; the client may have named resources. */
function fieldIn(body: Body, field: string): string {
  return body.claims === undefined ? field.replace(/^claims(\[\d+\])?(\.resource)?/, "resources$1") : field;
}

function pending({ lease, blockers, blockerCount, position, retryInMs }: Ticket, { waitTtlMs }: Asked) {
  const detail = `Queued at position ${position}. Next: repeat this PUT within ${waitTtlMs} ms to keep your place and check for a grant. GET /v1/leases/${lease?.id}/turn returns when it is worth checking.`;
  return { ...lease, blockers, blockerCount, position, retryInMs, detail };
}
