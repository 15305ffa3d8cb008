/**
 * What every operation decides, written once over a {@link Ledger}: the contract as a program. Memory and SQLite run
 * these functions; stores that decide in their own language (Redis, etcd) restate them and are held to them by the model
 * test and the conformance suite.
 *
 * Each function is one atomic step. A step that refuses a request by throwing does so before it writes.
 */
import { type Claim, type Lease, type LeaseEnd, MAX_BLOCKERS, type Refusal } from "../model/model.js";
import type {
  AcquireRequest,
  AcquireResult,
  ReleaseRequest,
  ReleaseResult,
  RenewRequest,
  RenewResult,
} from "./backend.js";
import type { Ledger, Rival } from "./ledger.js";
import {
  type Act,
  differentClaims,
  type EndRecord,
  type LeaseRecord,
  leaseOf,
  NO_ACT,
  notOwner,
  owns,
  refusalOf,
  sameClaims,
} from "./record.js";
import type { TurnLook } from "./turns.js";

/**
 * Grants a request, refuses it, or keeps it in the queue.
 *
 * @throws `LEASE_NOT_OWNER` for the id of another agent; `INVALID_ARGUMENT` for a living id with other claims
 */
export function acquire<R extends Rival, L extends R & LeaseRecord>(
  ledger: Ledger<R, L>,
  request: AcquireRequest,
): AcquireResult {
  const existing = living(ledger, request.id);
  if (existing === undefined) {
    const ended = ledger.ended(request.id);
    if (ended !== undefined) {
      if (ended.agentId !== request.agentId) throw notOwner(request.id);
      return { status: "ended", end: ended.end, by: ended.by, reason: ended.reason };
    }
  } else {
    if (existing.agentId !== request.agentId) throw notOwner(request.id);
    if (!sameClaims(existing.claims, request.claims)) throw differentClaims(request.id);
    if (existing.state === "active") {
      return { status: "granted", lease: held(ledger, existing), repeated: true };
    }
  }

  const blockers = blockersOf(ledger, request.claims, existing?.token ?? Number.POSITIVE_INFINITY);
  if (blockers.length === 0) {
    const lease = existing === undefined ? enter(ledger, request, "active") : promote(ledger, existing);
    ledger.record("acquired", lease, NO_ACT);
    return { status: "granted", lease: held(ledger, lease), repeated: false };
  }

  const refusal = refuse(ledger, request.claims, blockers);
  if (request.wait === "no") {
    if (existing !== undefined) end(ledger, existing, "cancelled");
    return { status: "refused", lease: null, ...refusal };
  }
  if (existing !== undefined) {
    ledger.extend(existing, request.waitTtlMs);
    return { status: "refused", lease: held(ledger, existing), ...refusal };
  }
  const lease = enter(ledger, request, "pending");
  ledger.record("queued", lease, NO_ACT);
  return { status: "refused", lease: held(ledger, lease), ...refusal };
}

/** Renews an active lease, once for each count. */
export function renew<R extends Rival, L extends R & LeaseRecord>(
  ledger: Ledger<R, L>,
  request: RenewRequest,
): RenewResult {
  const lease = living(ledger, request.id);
  if (lease === undefined) return renewEnded(ledger.ended(request.id), request.agentId);
  if (!owns(request, lease)) return { status: "not-owner" };
  if (lease.state === "pending") return { status: "pending" };
  const { revoking } = lease;
  if (revoking !== null && ledger.at.now >= revoking.refusedFrom) {
    return { status: "revoked", by: revoking.by, reason: revoking.reason };
  }
  const next = lease.renewals + 1;
  const renewal = request.renewal ?? next;
  if (renewal > next) return { status: "out-of-order", lease: held(ledger, lease) };
  // A repeat extends nothing: repeated at the limit, it would otherwise hold for ever.
  if (renewal < next) return { status: "renewed", lease: held(ledger, lease), repeated: true };
  if (lease.maxRenewals !== null && renewal > lease.maxRenewals) {
    return { status: "renewal-limit", maxRenewals: lease.maxRenewals };
  }
  lease.renewals = renewal;
  ledger.save(lease, Math.max(ledger.blocksMs(lease), request.ttlMs ?? lease.ttlMs));
  ledger.record("renewed", lease, NO_ACT);
  return { status: "renewed", lease: held(ledger, lease), repeated: false };
}

/** Ends a lease or a place in the queue: for its own agent (`release`, `abandon`) or for another one (`revoke`). */
export function release<R extends Rival, L extends R & LeaseRecord>(
  ledger: Ledger<R, L>,
  request: ReleaseRequest,
): ReleaseResult {
  const lease = living(ledger, request.id);
  if (request.kind === "revoke") {
    return lease === undefined ? { status: "not-found" } : revoke(ledger, lease, request);
  }
  if (lease === undefined) {
    const ended = ledger.ended(request.id);
    if (ended !== undefined && ended.agentId !== request.agentId) return { status: "not-owner" };
    if (request.kind === "abandon") {
      ledger.bury(request.id, ended ?? { agentId: request.agentId, end: "cancelled", ...NO_ACT });
    }
    return { status: "not-found" };
  }
  if (!owns(request, lease)) return { status: "not-owner" };
  const status = lease.state === "pending" ? "cancelled" : "released";
  end(ledger, lease, status);
  if (request.kind === "abandon") {
    ledger.bury(request.id, { agentId: request.agentId, end: status, ...NO_ACT });
  }
  return { status };
}

/** Ends a lease whose time is over: as revoked, if a soft revoke was under way. */
export function expire<R extends Rival, L extends R & LeaseRecord>(ledger: Ledger<R, L>, lease: L): void {
  const { revoking } = lease;
  if (revoking === null) end(ledger, lease, "expired");
  else end(ledger, lease, "revoked", revoking);
}

/** Whether a pending request may be granted, and if not, when time alone could bring that. Writes nothing. */
export function turn<R extends Rival, L extends R & LeaseRecord>(ledger: Ledger<R, L>, id: string): TurnLook {
  const { now } = ledger.at;
  const lease = ledger.lease(id);
  if (lease?.state !== "pending" || ledger.isOver(lease)) return { reached: true, lookAgainAt: now };
  let reached = true;
  let soonestMs = ledger.blocksMs(lease);
  for (const rival of ledger.rivals(lease.claims)) {
    if (rival.token >= lease.token || ledger.isOver(rival)) continue;
    reached = false;
    soonestMs = Math.min(soonestMs, ledger.blocksMs(rival));
  }
  return { reached, lookAgainAt: now + soonestMs };
}

/** What the holder of a lease is shown of it. */
function held<R extends Rival, L extends R & LeaseRecord>(ledger: Ledger<R, L>, lease: L): Lease {
  return leaseOf(lease, ledger.holdsMs(lease), ledger.at);
}

/** The earlier live leases in the way of these claims, in order of token; those that are over are ended on the way. */
function blockersOf<R extends Rival, L extends R & LeaseRecord>(
  ledger: Ledger<R, L>,
  claims: readonly Claim[],
  token: number,
): readonly R[] {
  return ledger.rivals(claims).filter((rival) => {
    if (!ledger.isOver(rival)) return rival.token < token;
    expire(ledger, ledger.read(rival));
    return false;
  });
}

function refuse<R extends Rival, L extends R & LeaseRecord>(
  ledger: Ledger<R, L>,
  claims: readonly Claim[],
  blockers: readonly R[],
): Refusal {
  // There may be thousands, of which few are shown.
  const shown = blockers.slice(0, MAX_BLOCKERS).map((rival) => ({
    lease: ledger.read(rival),
    blocksMs: ledger.blocksMs(rival),
  }));
  let retryInMs = Number.POSITIVE_INFINITY;
  for (const rival of blockers) retryInMs = Math.min(retryInMs, ledger.blocksMs(rival));
  return refusalOf(claims, shown, blockers.length, retryInMs);
}

/** The lease of an id, unless its time is over: then it is ended on the way. */
function living<R extends Rival, L extends R & LeaseRecord>(ledger: Ledger<R, L>, id: string): L | undefined {
  const lease = ledger.lease(id);
  if (lease === undefined || !ledger.isOver(lease)) return lease;
  expire(ledger, lease);
  return undefined;
}

function enter<R extends Rival, L extends R & LeaseRecord>(
  ledger: Ledger<R, L>,
  request: AcquireRequest,
  state: "pending" | "active",
): L {
  const { wallNow } = ledger.at;
  const lease: LeaseRecord = {
    id: request.id,
    agentId: request.agentId,
    claims: request.claims,
    state,
    token: ledger.nextToken(),
    ttlMs: request.ttlMs,
    requestedWall: wallNow,
    acquiredWall: state === "active" ? wallNow : null,
    renewals: 0,
    maxRenewals: request.maxRenewals,
    holding: request.holding,
    reason: request.reason,
    metadata: request.metadata,
    revoking: null,
  };
  return ledger.insert(lease, state === "active" ? request.ttlMs : request.waitTtlMs);
}

function promote<R extends Rival, L extends R & LeaseRecord>(ledger: Ledger<R, L>, lease: L): L {
  lease.state = "active";
  lease.acquiredWall = ledger.at.wallNow;
  ledger.save(lease, lease.ttlMs);
  return lease;
}

function revoke<R extends Rival, L extends R & LeaseRecord>(
  ledger: Ledger<R, L>,
  lease: L,
  { by, reason, graceMs }: ReleaseRequest & { kind: "revoke" },
): ReleaseResult {
  if (lease.state === "pending" || graceMs === 0) {
    end(ledger, lease, "revoked", { by, reason });
    return { status: "revoked" };
  }
  const refusedFrom = ledger.at.now + graceMs;
  // A later revoke may shorten the grace, never lengthen it.
  if (lease.revoking === null || refusedFrom < lease.revoking.refusedFrom) {
    lease.revoking = { by, reason, refusedFrom };
    ledger.save(lease);
    ledger.record("revoking", lease, { by, reason });
  }
  return { status: "revoking" };
}

function end<R extends Rival, L extends R & LeaseRecord>(
  ledger: Ledger<R, L>,
  lease: L,
  how: LeaseEnd,
  act: Act = NO_ACT,
): void {
  ledger.remove(lease);
  lease.state = how;
  if (how === "expired" || how === "revoked") {
    ledger.bury(lease.id, { agentId: lease.agentId, end: how, by: act.by, reason: act.reason });
  }
  ledger.record(how, lease, act);
}

function renewEnded(ended: EndRecord | undefined, agentId: string): RenewResult {
  if (ended === undefined) return { status: "not-found" };
  if (ended.agentId !== agentId) return { status: "not-owner" };
  if (ended.end === "expired") return { status: "expired" };
  if (ended.end === "revoked") return { status: "revoked", by: ended.by, reason: ended.reason };
  return { status: "not-found" };
}
