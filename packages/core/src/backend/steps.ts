/**
 * What every operation decides, written once over a {@link Ledger}: the contract as a program. Memory and SQLite run
 * these; stores that decide in their own language (Redis, etcd) restate them and are held to them by the model
 * test and the conformance suite.
 *
 * Each public method is one atomic step. A step that refuses a request by throwing does so before it writes.
 */
import { MAX } from "../model/max.js";
import type { Claim, Lease, LeaseEnd, Refusal } from "../model/model.js";
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
import type { TurnCheck } from "./turns.js";

/** The steps over one ledger, whose transaction another part begins and ends. */
export class Steps<R extends Rival, L extends R & LeaseRecord> {
  readonly #ledger: Ledger<R, L>;

  constructor(ledger: Ledger<R, L>) {
    this.#ledger = ledger;
  }

  /**
   * Grants a request, refuses it, or keeps it in the queue.
   *
   * @throws `LEASE_NOT_OWNER` for the id of another agent; `INVALID_ARGUMENT` for a living id with other claims
   */
  acquire(request: AcquireRequest): AcquireResult {
    const existing = this.#living(request.id);
    if (existing === undefined) {
      const ended = this.#ledger.ended(request.id);
      if (ended !== undefined) {
        if (ended.agentId !== request.agentId) throw notOwner(request.id);
        return { status: "ended", end: ended.end, by: ended.by, reason: ended.reason };
      }
    } else {
      if (existing.agentId !== request.agentId) throw notOwner(request.id);
      if (!sameClaims(existing.claims, request.claims)) throw differentClaims(request.id);
      if (existing.state === "active") {
        return { status: "granted", lease: this.#held(existing), repeated: true };
      }
    }

    const inTheWay = this.#inTheWay(request.claims, existing?.token ?? Number.POSITIVE_INFINITY);
    if (inTheWay.count === 0) {
      const lease = existing === undefined ? this.#enter(request, "active") : this.#promote(existing);
      this.#ledger.record("acquired", lease, NO_ACT);
      return { status: "granted", lease: this.#held(lease), repeated: false };
    }

    const refusal = this.#refuse(request.claims, inTheWay);
    if (request.wait === "no") {
      if (existing !== undefined) this.#end(existing, "cancelled");
      return { status: "refused", lease: null, ...refusal };
    }
    if (existing !== undefined) {
      this.#ledger.extend(existing, request.waitTtlMs);
      return { status: "refused", lease: this.#held(existing), ...refusal };
    }
    const lease = this.#enter(request, "pending");
    this.#ledger.record("queued", lease, NO_ACT);
    return { status: "refused", lease: this.#held(lease), ...refusal };
  }

  /** Renews an active lease, once for each count. */
  renew(request: RenewRequest): RenewResult {
    const lease = this.#living(request.id);
    if (lease === undefined) return renewEnded(this.#ledger.ended(request.id), request.agentId);
    if (!owns(request, lease)) return { status: "not-owner" };
    if (lease.state === "pending") return { status: "pending" };
    const { revoking } = lease;
    if (revoking !== null && this.#ledger.at.now >= revoking.refusedFrom) {
      return { status: "revoked", by: revoking.by, reason: revoking.reason };
    }
    const next = lease.renewals + 1;
    const renewal = request.renewal ?? next;
    if (renewal > next) return { status: "out-of-order", lease: this.#held(lease) };
    // A repeat extends nothing: repeated at the limit, it would otherwise hold for ever.
    if (renewal < next) return { status: "renewed", lease: this.#held(lease), repeated: true };
    if (lease.maxRenewals !== null && renewal > lease.maxRenewals) {
      return { status: "renewal-limit", maxRenewals: lease.maxRenewals };
    }
    lease.renewals = renewal;
    this.#ledger.save(lease, Math.max(this.#ledger.blocksMs(lease), request.ttlMs ?? lease.ttlMs));
    this.#ledger.record("renewed", lease, NO_ACT);
    return { status: "renewed", lease: this.#held(lease), repeated: false };
  }

  /** Ends a lease or a place in the queue: for its own agent (`release`, `abandon`) or for another one (`revoke`). */
  release(request: ReleaseRequest): ReleaseResult {
    const lease = this.#living(request.id);
    if (request.kind === "revoke") {
      return lease === undefined ? { status: "not-found" } : this.#revoke(lease, request);
    }
    if (lease === undefined) {
      const ended = this.#ledger.ended(request.id);
      if (ended !== undefined && ended.agentId !== request.agentId) return { status: "not-owner" };
      if (request.kind === "abandon") {
        this.#ledger.bury(request.id, ended ?? { agentId: request.agentId, end: "cancelled", ...NO_ACT });
      }
      return { status: "not-found" };
    }
    if (!owns(request, lease)) return { status: "not-owner" };
    const status = lease.state === "pending" ? "cancelled" : "released";
    this.#end(lease, status);
    if (request.kind === "abandon") {
      this.#ledger.bury(request.id, { agentId: request.agentId, end: status, ...NO_ACT });
    }
    return { status };
  }

  /** Ends a lease whose time is over: as revoked, if a soft revoke was under way. */
  expire(lease: L): void {
    const { revoking } = lease;
    if (revoking === null) this.#end(lease, "expired");
    else this.#end(lease, "revoked", revoking);
  }

  /** Whether a pending request may be granted, and if not, what is in its way and until when. Writes nothing. */
  turn(id: string): TurnCheck {
    const { now } = this.#ledger.at;
    const lease = this.#ledger.lease(id);
    if (lease?.state !== "pending" || this.#ledger.isOver(lease)) return { reached: true, checkAgainAt: now };
    const ownMs = this.#ledger.blocksMs(lease);
    // The nearest before it: usually the last of them to end.
    const blocker = this.#ledger
      .rivals(lease.claims)
      .findLast((rival) => rival.token < lease.token && !this.#ledger.isOver(rival));
    if (blocker === undefined) return { reached: true, checkAgainAt: now };
    const checkAgainAt = now + Math.min(ownMs, this.#ledger.blocksMs(blocker));
    return { reached: false, checkAgainAt, blockedBy: this.#ledger.read(blocker).id };
  }

  /** What the holder of a lease is shown of it. */
  #held(lease: L): Lease {
    return leaseOf(lease, this.#ledger.holdsMs(lease), this.#ledger.at);
  }

  /** The earlier live leases in the way of these claims; those that are over are ended on the way. */
  #inTheWay(claims: readonly Claim[], token: number): InTheWay<R> {
    // One look and no copy: there may be thousands, of which few are shown.
    const first: R[] = [];
    const over: R[] = [];
    let count = 0;
    let soonestMs = Number.POSITIVE_INFINITY;
    for (const rival of this.#ledger.rivals(claims)) {
      const blocksMs = this.#ledger.blocksMs(rival);
      if (this.#ledger.isOver(rival)) over.push(rival);
      else if (rival.token < token) {
        if (count < MAX.blockers) first.push(rival);
        count += 1;
        if (blocksMs < soonestMs) soonestMs = blocksMs;
      }
    }
    for (const rival of over) this.expire(this.#ledger.read(rival));
    return { first, count, soonestMs };
  }

  #refuse(claims: readonly Claim[], { first, count, soonestMs }: InTheWay<R>): Refusal {
    const shown = first.map((rival) => ({
      lease: this.#ledger.read(rival),
      blocksMs: this.#ledger.blocksMs(rival),
    }));
    return refusalOf(claims, shown, count, soonestMs);
  }

  /** The lease of an id, unless its time is over: then it is ended on the way. */
  #living(id: string): L | undefined {
    const lease = this.#ledger.lease(id);
    if (lease === undefined || !this.#ledger.isOver(lease)) return lease;
    this.expire(lease);
    return undefined;
  }

  #enter(request: AcquireRequest, state: "pending" | "active"): L {
    const { wallNow } = this.#ledger.at;
    const lease: LeaseRecord = {
      id: request.id,
      agentId: request.agentId,
      claims: request.claims,
      state,
      token: this.#ledger.nextToken(),
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
    return this.#ledger.insert(lease, state === "active" ? request.ttlMs : request.waitTtlMs);
  }

  #promote(lease: L): L {
    lease.state = "active";
    lease.acquiredWall = this.#ledger.at.wallNow;
    this.#ledger.save(lease, lease.ttlMs);
    return lease;
  }

  #revoke(lease: L, { by, reason, graceMs }: ReleaseRequest & { kind: "revoke" }): ReleaseResult {
    if (lease.state === "pending" || graceMs === 0) {
      this.#end(lease, "revoked", { by, reason });
      return { status: "revoked" };
    }
    const refusedFrom = this.#ledger.at.now + graceMs;
    // A later revoke may shorten the grace, never lengthen it.
    if (lease.revoking === null || refusedFrom < lease.revoking.refusedFrom) {
      lease.revoking = { by, reason, refusedFrom };
      this.#ledger.save(lease);
      this.#ledger.record("revoking", lease, { by, reason });
    }
    return { status: "revoking" };
  }

  #end(lease: L, how: LeaseEnd, act: Act = NO_ACT): void {
    this.#ledger.remove(lease);
    lease.state = how;
    if (how === "expired" || how === "revoked") {
      this.#ledger.bury(lease.id, { agentId: lease.agentId, end: how, by: act.by, reason: act.reason });
    }
    this.#ledger.record(how, lease, act);
  }
}

/** The earlier live leases in the way of a request. */
interface InTheWay<R> {
  /** The first `MAX.blockers` by token. */
  readonly first: readonly R[];
  readonly count: number;
  /** When the first of all of them may end by itself. */
  readonly soonestMs: number;
}

function renewEnded(ended: EndRecord | undefined, agentId: string): RenewResult {
  if (ended === undefined) return { status: "not-found" };
  if (ended.agentId !== agentId) return { status: "not-owner" };
  if (ended.end === "expired") return { status: "expired" };
  if (ended.end === "revoked") return { status: "revoked", by: ended.by, reason: ended.reason };
  return { status: "not-found" };
}
