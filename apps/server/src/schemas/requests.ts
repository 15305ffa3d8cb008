/**
 * What requests look like: validated by these, and documented by these in `/openapi.json`. They say what JSON Schema
 * can say; core's own checks come after them and have the last word.
 */
import { DEFAULTS, MAX } from "@lease/core";
import { DEFAULT_PAGE } from "@lease/core/backend";
import { Type } from "typebox";
import { SERVER_LIMITS } from "../limits.js";
import { AgentId, Claim, closed, Id, JsonObject, nullable, Resource, Token } from "./parts.js";

const Ttl = (what: string) =>
  Type.Integer({ minimum: 1, description: `${what}, in ms; the backend has its own bounds` });
const Reason = nullable(
  Type.String({ description: `Shown to those who are refused; at most ${MAX.reasonBytes} bytes` }),
);
const Wait = (what: string) =>
  Type.Integer({ minimum: 0, maximum: SERVER_LIMITS.maxWaitMs, description: what });

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
    waitMs: Type.Optional(
      Wait("Wait in the queue for this long before answering; default 0: answer at once"),
    ),
    wait: Type.Optional(
      Type.Boolean({
        description:
          "Answer at once, and stay queued if refused: the same PUT again is the heartbeat, and checks for a grant",
      }),
    ),
    waitTtlMs: Type.Optional(
      Ttl(`How long a place in the queue outlives the last request; default ${DEFAULTS.waitTtlMs}`),
    ),
    maxRenewals: Type.Optional(
      nullable(Type.Integer({ minimum: 0, description: "Renewals agreed on; default null: no limit" })),
    ),
    holding: Type.Optional(
      Type.Array(Id, {
        maxItems: MAX.holding,
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
        description:
          "The count of this renewal: `renewals` of the last answer + 1, so 1 for the first. A count up to what is counted is answered `repeated` and extends nothing; one that skips is refused as RENEWAL_OUT_OF_ORDER. Left out: one more than is counted, whether a repeat or not",
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
  Type.Integer({ minimum: 1, maximum: MAX.page, description: `Default ${DEFAULT_PAGE}` }),
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
