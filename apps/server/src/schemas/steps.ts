/**
 * Bodies and answers of the routes for backends. A request is checked by core, each of a batch for itself, so these say
 * only that it is an object.
 */
import type { LeaseEvent } from "@lease/core";
import { MAX } from "@lease/core";
import type { AcquireRequest, ReleaseRequest, RenewRequest } from "@lease/core/backend";
import { type TSchema, Type } from "typebox";
import { STEP_LIMITS } from "../limits.js";
import { AgentId, closed, Id, Resource } from "./parts.js";

const batch = <R>(of: string) =>
  Type.Object(
    {
      requests: Type.Array(Type.Unsafe<R>({ type: "object", description: of }), {
        minItems: 1,
        maxItems: STEP_LIMITS.requests,
      }),
    },
    closed,
  );

export const AcquireBatch = batch<AcquireRequest>(
  'An `AcquireRequest` of the contract, every field stated; a `wait` of "hand-off" is taken as "queue"',
);
export const RenewBatch = batch<RenewRequest>("A `RenewRequest` of the contract");
export const ReleaseBatch = batch<ReleaseRequest>("A `ReleaseRequest` of the contract");

const Filters = {
  ids: Type.Optional(Type.Array(Id, { maxItems: MAX.page })),
  agentId: Type.Optional(AgentId),
  resource: Type.Optional(Resource),
};
const Limit = Type.Optional(Type.Integer({ minimum: 1, maximum: MAX.page }));

export const ListBody = Type.Object(
  {
    ...Filters,
    state: Type.Optional(Type.Enum(["pending", "active"])),
    limit: Limit,
    after: Type.Optional(Type.String()),
  },
  closed,
);

export const ChangesBody = Type.Object(
  {
    ...Filters,
    types: Type.Optional(Type.Array(Type.Unsafe<LeaseEvent["type"]>({ type: "string" }))),
    limit: Limit,
    after: Type.Optional(Type.String()),
  },
  closed,
);

export const TurnsBody = Type.Object(
  {
    ids: Type.Array(Id, { minItems: 1, maxItems: MAX.page }),
    timeoutMs: Type.Integer({ minimum: 0, maximum: STEP_LIMITS.turnsMs }),
  },
  closed,
);

const results = (of: string) =>
  Type.Object({
    results: Type.Array(
      Type.Unsafe({
        type: "object",
        description: `${of}, or \`{ "error": Problem }\` of this request alone`,
      }),
    ),
  });

/** What the routes answer, by name. */
export const STEP_ANSWERS: Readonly<Record<string, TSchema>> = {
  Limits: Type.Object({
    contract: Type.Literal(STEP_LIMITS.contract),
    kind: Type.String({ description: "Of the store behind this server" }),
    limits: Type.Unsafe({ type: "object", description: "`BackendLimits` of the contract" }),
    requests: Type.Integer({ description: "The most requests in one batch" }),
    bodyBytes: Type.Integer({ description: "The largest body of a step" }),
    turnsMs: Type.Integer({ description: "The longest `timeoutMs` of `turns`" }),
  }),
  AcquireResults: results("An `AcquireResult`"),
  RenewResults: results("A `RenewResult`"),
  ReleaseResults: results("A `ReleaseResult`"),
};
