/**
 * What answers look like, by name: routes refer to them, and `/openapi.json` has each of them once. Nothing is cut to
 * fit; tests hold the answers to these.
 */
import { type TSchema, Type } from "typebox";
import { PROBLEM_CODES } from "../problems.js";
import { Claim, Id, JsonObject, Mode, nullable, Token } from "./parts.js";
import { STEP_ANSWERS } from "./steps.js";

const Time = Type.String({ description: "RFC 3339, for people: durations decide" });
const Ms = Type.Number({ minimum: 0 });

const leaseMembers = {
  id: Id,
  agentId: Type.String(),
  claims: Type.Array(Claim),
  state: Type.Enum(["pending", "active", "released", "expired", "revoked", "cancelled"]),
  token: Token,
  ttlMs: Ms,
  expiresInMs: Type.Number({
    minimum: 0,
    description: "Left when answered: count it from when you sent the request",
  }),
  requestedAt: Time,
  acquiredAt: nullable(Time),
  expiresAt: Time,
  renewals: Type.Integer({ minimum: 0 }),
  maxRenewals: nullable(Type.Integer({ minimum: 0 })),
  holding: Type.Array(Id),
  reason: nullable(Type.String()),
  metadata: nullable(JsonObject),
  revoking: nullable(Type.Object({ by: Type.String(), reason: nullable(Type.String()), graceInMs: Ms })),
};

const Blocker = Type.Object({
  id: Id,
  agentId: Type.String(),
  resource: Type.String(),
  mode: Mode,
  state: Type.Enum(["pending", "active"]),
  token: Token,
  reason: nullable(Type.String()),
  expiresInMs: Ms,
});

const refusalMembers = {
  blockers: Type.Array(Type.Ref("Blocker"), { description: "The first of them by token" }),
  blockerCount: Type.Integer({ minimum: 0 }),
  position: Type.Integer({ minimum: 1 }),
  retryInMs: Ms,
};

const LeaseEvent = Type.Object({
  cursor: Type.String(),
  type: Type.String(),
  at: Time,
  lease: Type.Ref("Lease"),
  by: nullable(Type.String()),
  reason: nullable(Type.String()),
});

const Problem = Type.Object(
  {
    type: Type.String({ format: "uri-reference" }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: "What happened and what to do next" }),
    instance: Type.Optional(Type.String()),
    code: Type.Enum(PROBLEM_CODES),
    field: Type.Optional(Type.String({ description: "INVALID_ARGUMENT: which one" })),
    ...Type.Partial(Type.Object(refusalMembers)).properties,
    leaseId: Type.Optional(Type.String()),
    how: Type.Optional(Type.String({ description: "LEASE_LOST: expired, revoked, …" })),
    by: Type.Optional(nullable(Type.String())),
    reason: Type.Optional(nullable(Type.String())),
    maxRenewals: Type.Optional(nullable(Type.Integer())),
    renewals: Type.Optional(
      Type.Integer({
        minimum: 0,
        description: "RENEWAL_OUT_OF_ORDER: how many are counted; the next is one more",
      }),
    ),
    cycle: Type.Optional(
      Type.Array(
        Type.Object({
          waitingId: Type.String(),
          agentId: Type.String(),
          resources: Type.Array(Type.String()),
          blockedById: Type.String(),
          blockedByAgentId: Type.String(),
          blockedByResource: Type.String(),
          blockedByState: Type.Enum(["pending", "active"]),
        }),
      ),
    ),
  },
  { additionalProperties: true, description: "RFC 9457, with `code` and its details" },
);

const page = (member: string, of: string, also: Record<string, TSchema> = {}) =>
  Type.Object({
    [member]: Type.Array(Type.Ref(of)),
    ...also,
    next: nullable(Type.String({ description: "Pass it as `after`; null at the end" })),
  });

export const SHARED_SCHEMAS: Readonly<Record<string, TSchema>> = {
  Lease: Type.Object(leaseMembers),
  RenewedLease: Type.Object({
    ...leaseMembers,
    repeated: Type.Boolean({
      description:
        "This `renewal` was counted before: nothing was extended. Should it be no repeat of yours, the next is `renewals` + 1",
    }),
  }),
  PendingLease: Type.Object({ ...leaseMembers, ...refusalMembers, detail: Type.String() }),
  Blocker,
  LeasePage: page("leases", "Lease", {
    cursor: Type.String({
      description:
        "Follow `/v1/events` after this: it tells all that this page, and those after it, do not show",
    }),
  }),
  LeaseEvent,
  EventPage: page("events", "LeaseEvent", {
    cursor: Type.String({
      description:
        "Everything up to here was looked at, also by a page that shows nothing: pass it as `after` for what comes later",
    }),
  }),
  Released: Type.Object({
    result: Type.Enum(["released", "cancelled", "revoked", "revoking", "not-found"]),
  }),
  Revoked: Type.Object({ revoked: Type.Array(Type.Ref("Lease")) }),
  Turn: Type.Object({ id: Id, waitedMs: Ms }),
  Swept: Type.Object({
    expired: Type.Array(Type.Ref("Lease")),
    pruned: Type.Integer({ minimum: 0 }),
    more: Type.Boolean({ description: "It stopped at a bound: a next sweep may find more at once" }),
  }),
  ...STEP_ANSWERS,
  Health: Type.Object({ status: Type.String() }),
  Problem,
};

/** An answer that is text of some other type than JSON. */
export function text<T = string>(type: string, description: string) {
  return { description, content: { [type]: { schema: Type.Unsafe<T>({ type: "string" }) } } };
}

/** The answers of a route: those that succeed by name, and the problems by status. */
export function answers(success: Record<number, [name: string, description: string]>, ...problems: number[]) {
  const entries: [string, object][] = Object.entries(success).map(([status, [name, description]]) => [
    status,
    { description, content: { "application/json": { schema: Type.Ref(name) } } },
  ]);
  for (const status of problems) {
    entries.push([
      String(status),
      { description: "A problem", content: { "application/problem+json": { schema: Type.Ref("Problem") } } },
    ]);
  }
  return Object.fromEntries(entries);
}
