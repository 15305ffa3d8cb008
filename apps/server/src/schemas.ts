/**
 * What requests and answers look like: validated by these, and documented by these in `/openapi.json`. They say what
 * JSON Schema can say; core's own checks come after them and have the last word.
 */
import {
  DEFAULT_PAGE,
  DEFAULTS,
  MAX_AGENT_ID_BYTES,
  MAX_HOLDING,
  MAX_METADATA_BYTES,
  MAX_PAGE,
  MAX_REASON_BYTES,
  MAX_RESOURCE_BYTES,
  type Metadata,
} from "@lease/core";
import { type TSchema, Type } from "typebox";
import { SERVER_LIMITS } from "./limits.js";
import { PROBLEM_CODES } from "./problems.js";

const closed = { additionalProperties: false } as const;
const nullable = <S extends TSchema>(schema: S) => Type.Union([schema, Type.Null()]);

const Id = Type.String({ format: "uuid", description: "A UUID in lower case" });
const AgentId = Type.String({
  minLength: 1,
  maxLength: MAX_AGENT_ID_BYTES,
  description: `Who claims; at most ${MAX_AGENT_ID_BYTES} bytes of UTF-8`,
});
const Resource = Type.String({
  minLength: 1,
  maxLength: MAX_RESOURCE_BYTES,
  description: '"src/app.ts", "job:42", or "src/**" for src and everything below it',
  examples: ["src/app.ts"],
});
const Mode = Type.Enum(["exclusive", "shared"]);
const Token = Type.Integer({
  minimum: 1,
  description: "Fencing token: only grows, and is the place in line",
});
const Ttl = (what: string) =>
  Type.Integer({ minimum: 1, description: `${what}, in ms; the backend has its own bounds` });
const Reason = nullable(
  Type.String({ description: `Shown to who is refused; at most ${MAX_REASON_BYTES} bytes` }),
);
const Wait = (what: string) =>
  Type.Integer({ minimum: 0, maximum: SERVER_LIMITS.maxWaitMs, description: what });
const Claim = Type.Object({ resource: Resource, mode: Mode }, closed);
const JsonObject = Type.Unsafe<Metadata>({
  type: "object",
  additionalProperties: true,
  description: `Plain JSON, at most ${MAX_METADATA_BYTES} bytes`,
});

// Requests

export const IdParams = Type.Object({ id: Id });
export const AgentParams = Type.Object({ agentId: AgentId });

export const AcquireBody = Type.Object(
  {
    agentId: AgentId,
    resources: Type.Optional(Type.Array(Resource, { description: "What to lease, all of it in `mode`" })),
    mode: Type.Optional(
      Type.Enum(["exclusive", "shared"], { description: "Of `resources`; default exclusive" }),
    ),
    claims: Type.Optional(Type.Array(Claim, { description: "Instead of `resources`, to mix modes" })),
    ttlMs: Type.Optional(
      Ttl(`How long the lease lives from its grant or last renewal; default ${DEFAULTS.ttlMs}`),
    ),
    waitMs: Type.Optional(Wait("Stand in line for this long before answering; default 0: answer at once")),
    wait: Type.Optional(
      Type.Boolean({
        description:
          "Answer at once, and stay in line if refused: the same PUT again is the heartbeat and the question",
      }),
    ),
    waitTtlMs: Type.Optional(
      Ttl(`How long a place in line outlives the last question; default ${DEFAULTS.waitTtlMs}`),
    ),
    maxRenewals: Type.Optional(
      nullable(Type.Integer({ minimum: 0, description: "Renewals agreed on; default null: no limit" })),
    ),
    holding: Type.Optional(
      Type.Array(Id, {
        maxItems: MAX_HOLDING,
        description: "Leases kept while waiting: how deadlocks are found",
      }),
    ),
    reason: Type.Optional(Reason),
    metadata: Type.Optional(nullable(JsonObject)),
  },
  closed,
);

export const RenewBody = Type.Object(
  {
    agentId: AgentId,
    token: Type.Optional(Token),
    ttlMs: Type.Optional(Ttl("A new TTL from now on; default the lease's own")),
    renewal: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: "Your count of this renewal, from 1: a repeat is counted once",
      }),
    ),
  },
  closed,
);

export const SweepBody = nullable(
  Type.Object(
    {
      historyRetentionMs: Type.Optional(
        Type.Number({ minimum: 0, description: "Prune older history; default none" }),
      ),
      limit: Type.Optional(Type.Integer({ minimum: 1, description: "End at most this many leases" })),
    },
    closed,
  ),
);

const RevokeQuery = {
  by: Type.Optional(AgentId),
  reason: Type.Optional(Type.String({ description: "Told to the holder and kept in the history" })),
  graceMs: Type.Optional(Type.Integer({ minimum: 0, description: "Default 0: ended at once" })),
};

export const ReleaseQuery = Type.Object(
  {
    agentId: Type.Optional(AgentId),
    token: Type.Optional(Token),
    abandon: Type.Optional(
      Type.Boolean({ description: "An acquire of this id still under way shall find it ended" }),
    ),
    force: Type.Optional(Type.Boolean({ description: "Somebody else, `by`, ends the lease" })),
    ...RevokeQuery,
  },
  closed,
);

export const RevokeAgentQuery = Type.Object({ ...RevokeQuery, by: AgentId }, closed);

export const TurnQuery = Type.Object(
  { timeoutMs: Type.Optional(Wait(`Answer after this long at the latest; default ${SERVER_LIMITS.turnMs}`)) },
  closed,
);

const Filters = {
  agentId: Type.Optional(AgentId),
  resource: Type.Optional(Resource),
};
const Limit = Type.Optional(
  Type.Integer({ minimum: 1, maximum: MAX_PAGE, description: `Default ${DEFAULT_PAGE}` }),
);

export const ListQuery = Type.Object(
  {
    ...Filters,
    state: Type.Optional(Type.Enum(["pending", "active"])),
    limit: Limit,
    after: Type.Optional(Type.String({ description: "`next` of the page before" })),
  },
  closed,
);

const HistoryFilters = {
  ...Filters,
  id: Type.Optional(Id),
  types: Type.Optional(
    Type.String({ description: "Kinds of events, separated by commas: acquired,released" }),
  ),
  after: Type.Optional(
    Type.String({ description: 'A cursor; default the oldest entry kept; "end" for only what is new' }),
  ),
};
export const HistoryQuery = Type.Object({ ...HistoryFilters, limit: Limit }, closed);
export const EventsQuery = Type.Object(HistoryFilters, closed);

// Answers, by name: routes refer to them, and the OpenAPI document has each once

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

const page = (member: string, of: string) =>
  Type.Object({
    [member]: Type.Array(Type.Ref(of)),
    next: nullable(Type.String({ description: "Pass it as `after`; null at the end" })),
  });

export const SHARED_SCHEMAS: Readonly<Record<string, TSchema>> = {
  Lease: Type.Object(leaseMembers),
  PendingLease: Type.Object({ ...leaseMembers, ...refusalMembers, detail: Type.String() }),
  Blocker,
  LeasePage: page("leases", "Lease"),
  LeaseEvent,
  EventPage: page("events", "LeaseEvent"),
  Released: Type.Object({
    result: Type.Enum(["released", "cancelled", "revoked", "revoking", "not-found"]),
  }),
  Revoked: Type.Object({ revoked: Type.Array(Type.Ref("Lease")) }),
  Turn: Type.Object({ id: Id, waitedMs: Ms }),
  Swept: Type.Object({ expired: Type.Array(Type.Ref("Lease")), pruned: Type.Integer({ minimum: 0 }) }),
  Health: Type.Object({ status: Type.String() }),
  Problem,
};

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
