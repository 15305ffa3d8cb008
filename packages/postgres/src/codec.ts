/** Operations as the step function reads them, and records as it writes them: both are JSON. */
import type { Claim, Lease, Metadata } from "@lease/core";
import {
  type AcquireRequest,
  type LeaseRecord,
  type ReleaseRequest,
  type RenewRequest,
  subtreeBase,
} from "@lease/core/backend";

/** `lease.operation`; what an operation does not need is left out. */
export type Operation = Readonly<Record<string, unknown>> & {
  readonly kind: "acquire" | "renew" | "release" | "abandon" | "revoke" | "turn";
};

export function acquireOperation(request: AcquireRequest): Operation {
  return {
    kind: "acquire",
    id: request.id,
    agent: request.agentId,
    bases: request.claims.map(({ resource }) => subtreeBase(resource) ?? resource),
    subtree: request.claims.map(({ resource }) => subtreeBase(resource) !== null),
    exclusive: request.claims.map(({ mode }) => mode === "exclusive"),
    ttl: request.ttlMs,
    wait: request.wait === "no" ? "n" : "q",
    wait_ttl: request.waitTtlMs,
    max_renewals: request.maxRenewals,
    reason: request.reason,
    facts: JSON.stringify([request.holding, request.metadata]),
  };
}

export function renewOperation({ id, agentId, token, ttlMs, renewal }: RenewRequest): Operation {
  return { kind: "renew", id, agent: agentId, token, ttl: ttlMs, renewal };
}

export function releaseOperation(request: ReleaseRequest): Operation {
  const { kind, id } = request;
  if (kind === "revoke") {
    return { kind, id, actor: request.by, reason: request.reason, grace: request.graceMs };
  }
  return { kind, id, agent: request.agentId, token: kind === "release" ? request.token : undefined };
}

/** What `lease.record_v1` writes. */
export type StoredRecord = readonly [
  id: string,
  token: number,
  agent: string,
  active: boolean,
  bases: readonly string[],
  subtree: readonly boolean[],
  exclusive: readonly boolean[],
  expires: number,
  ttl: number,
  requested: number,
  acquired: number | null,
  renewals: number,
  maxRenewals: number | null,
  reason: string | null,
  facts: string,
  refusedFrom: number | null,
  revokedBy: string | null,
  revokedWhy: string | null,
];

/** A lease as it is kept, on the server's clock. */
export interface PostgresLease extends LeaseRecord {
  readonly expires: number;
}

/** @param state - of a lease that ended; left out: what the record says */
export function decodeRecord(record: StoredRecord, state?: Lease["state"]): PostgresLease {
  const [id, token, agentId, active, bases, subtree, exclusive, expires, ttlMs, requested, ...rest] = record;
  const [acquired, renewals, maxRenewals, reason, facts, refusedFrom, by, why] = rest;
  const [holding, metadata] = JSON.parse(facts) as [string[], Metadata | null];
  return {
    id,
    agentId,
    claims: bases.map((base, index): Claim => {
      const below = base === "" ? "**" : `${base}/**`;
      return { resource: subtree[index] ? below : base, mode: exclusive[index] ? "exclusive" : "shared" };
    }),
    state: state ?? (active ? "active" : "pending"),
    token,
    ttlMs,
    requestedWall: requested,
    acquiredWall: acquired,
    renewals,
    maxRenewals,
    holding,
    reason,
    metadata,
    revoking: refusedFrom === null ? null : { by: by as string, reason: why, refusedFrom },
    expires,
  };
}
