/**
 * The steps that write, over the tables. Each is what `MemoryStore` of core does, with look-ups in place of scans,
 * and runs inside a write transaction that somebody else began and ends (`group.ts`).
 *
 * A step that refuses a request by throwing does so before it writes of that request, so the transaction that it
 * runs in can go on.
 */
import {
  type AcquireRequest,
  type AcquireResult,
  type Claim,
  differentClaims,
  type LeaseEnd,
  type LeaseEventType,
  leaseOf,
  MAX_BLOCKERS,
  type Moment,
  mintToken,
  notOwner,
  owns,
  type Refusal,
  type ReleaseRequest,
  type ReleaseResult,
  type RenewRequest,
  type RenewResult,
  refusalOf,
  sameClaims,
  subtreeBase,
} from "@lease/core";
import { encodeEvent, idKey, type StoredLease } from "./codec.js";
import { conflictingHolders } from "./conflicts.js";
import type { LeaseDatabase } from "./database.js";
import { full } from "./errors.js";
import { LiveLeases } from "./live.js";
import type { EndedRow, Known } from "./statements.js";

export interface StoreOptions {
  /** For messages. */
  readonly path: string;
  readonly endMemoryMs: number;
  readonly recordRenewals: boolean;
}

/** A live lease in the way of a request. */
interface Obstacle {
  readonly key: string;
  readonly expires: number;
}

export class Store {
  readonly #database: Pick<LeaseDatabase, "statements" | "hasRoom" | "forgetHead">;
  readonly #live: LiveLeases;
  readonly #options: StoreOptions;
  #at: Moment = { now: 0, wallNow: 0 };
  #head: Known | undefined;
  #last = 0;
  #hasSubtrees = false;
  #hasEnded = false;
  #unwritten: string[] = [];
  /** Since `begin`: something was added to the history. */
  recorded = false;
  /** Since `begin`: a lease ended, or one whose turn came holds for another time than it waited. */
  moved = false;
  /** Set by `flush`, if a lease ended: whether anybody stands in line, in whatever process. */
  hasLine = false;

  constructor(database: LeaseDatabase, options: StoreOptions) {
    this.#database = database;
    this.#live = new LiveLeases(database.statements);
    this.#options = options;
  }

  /** Begins a transaction's steps, all of them at one moment. */
  begin(at: Moment, head: Known): void {
    this.#at = at;
    this.#head = head;
    this.#live.begin(head);
    this.#last = head.last ?? 0;
    this.#hasSubtrees = head.has_subtrees === 1;
    this.#hasEnded = head.has_ended === 1;
    this.#unwritten = [];
    this.recorded = false;
    this.moved = false;
    this.hasLine = false;
  }

  /** Writes what the steps added to the history; call it before the commit. */
  flush(): void {
    const events = this.#unwritten;
    if (events.length === 0 || this.#head === undefined) return;
    this.#database.statements.record.run(this.#last, events.length, this.#at.wallNow, `[${events.join()}]`);
    this.#head.last = this.#last;
    this.#unwritten = [];
    if (this.moved) this.hasLine = this.#live.hasLine();
  }

  /** Number of the newest history entry. */
  get last(): number {
    return this.#last;
  }

  acquire(request: AcquireRequest): AcquireResult {
    const existing = this.#find(request.id);
    if (existing === undefined) {
      const ended = this.#ended(request.id);
      if (ended !== undefined) {
        if (ended.agent !== request.agentId) throw notOwner(request.id);
        return { status: "ended", end: ended.how, by: ended.by, reason: ended.reason };
      }
    } else {
      if (existing.agentId !== request.agentId) throw notOwner(request.id);
      if (!sameClaims(existing.claims, request.claims)) throw differentClaims(request.id);
      if (existing.state === "active")
        return { status: "granted", lease: this.#shown(existing), repeated: true };
    }

    const blockers = this.#inTheWay(request.claims, existing?.token ?? Number.POSITIVE_INFINITY);
    if (blockers.length === 0) {
      const lease = existing === undefined ? this.#enter(request, "active") : this.#promote(existing);
      this.#record("acquired", lease);
      return { status: "granted", lease: this.#shown(lease), repeated: false };
    }

    const refusal = this.#refusal(request.claims, blockers);
    if (!request.wait) {
      if (existing !== undefined) this.#end(existing, "cancelled");
      return { status: "refused", lease: null, ...refusal };
    }
    if (existing !== undefined) {
      this.#extend(existing, this.#at.now + request.waitTtlMs);
      this.#live.save(existing);
      return { status: "refused", lease: this.#shown(existing), ...refusal };
    }
    const lease = this.#enter(request, "pending");
    this.#record("queued", lease);
    return { status: "refused", lease: this.#shown(lease), ...refusal };
  }

  renew(request: RenewRequest): RenewResult {
    const { now } = this.#at;
    const lease = this.#find(request.id);
    if (lease === undefined) return this.#renewEnded(request);
    if (!owns(request, lease)) return { status: "not-owner" };
    if (lease.state === "pending") return { status: "pending" };
    if (lease.revoking !== null && now >= lease.revoking.refusedFrom) {
      return { status: "revoked", by: lease.revoking.by, reason: lease.revoking.reason };
    }
    const renewal = request.renewal ?? lease.renewals + 1;
    if (renewal > lease.renewals) {
      if (lease.maxRenewals !== null && renewal > lease.maxRenewals) {
        return { status: "renewal-limit", maxRenewals: lease.maxRenewals };
      }
      lease.renewals = renewal;
      const expires = now + (request.ttlMs ?? lease.ttlMs);
      if (expires > lease.expires) this.#extend(lease, expires);
      this.#live.change(lease);
      if (this.#options.recordRenewals) this.#record("renewed", lease);
    }
    return { status: "renewed", lease: this.#shown(lease) };
  }

  release(request: ReleaseRequest): ReleaseResult {
    const lease = this.#find(request.id);
    if (request.kind === "revoke") {
      return lease === undefined ? { status: "not-found" } : this.#revoke(lease, request);
    }
    if (lease === undefined) return this.#releaseEnded(request);
    if (!owns(request, lease)) return { status: "not-owner" };
    const end = lease.state === "pending" ? "cancelled" : "released";
    this.#end(lease, end);
    if (request.kind === "abandon") this.#bury(request.id, request.agentId, end);
    return { status: end };
  }

  /** Ends a lease that is past its time: as revoked, if that is what its holder was told. */
  expire(lease: StoredLease): void {
    const { revoking } = lease;
    if (revoking === null) this.#end(lease, "expired");
    else this.#end(lease, "revoked", revoking.by, revoking.reason);
  }

  /** The lease of an id if it is live; a dead one is ended on the way. */
  #find(id: string): StoredLease | undefined {
    const lease = this.#live.find(id);
    if (lease === undefined || this.#at.now < lease.expires) return lease;
    this.expire(lease);
    return undefined;
  }

  /** The earlier live leases that stand in the way, in order; dead ones, of any age, are ended on the way. */
  #inTheWay(claims: readonly Claim[], token: number): Obstacle[] {
    const { statements } = this.#database;
    const obstacles: Obstacle[] = [];
    for (const other of conflictingHolders(statements, claims, this.#hasSubtrees)) {
      const expires = statements.expiresOf.get(other.key);
      if (expires === undefined || this.#at.now >= expires) this.expire(this.#live.at(other.key));
      else if (other.token < token) obstacles.push({ key: other.key, expires });
    }
    return obstacles;
  }

  /** Only those that are shown are read whole: there may be thousands. */
  #refusal(claims: readonly Claim[], blockers: readonly Obstacle[]): Refusal {
    const shown = blockers.slice(0, MAX_BLOCKERS).map(({ key }) => this.#live.at(key));
    let soonest = Number.POSITIVE_INFINITY;
    for (const { expires } of blockers) soonest = Math.min(soonest, expires);
    return {
      ...refusalOf(claims, shown, this.#at.now),
      blockerCount: blockers.length,
      position: blockers.length + 1,
      retryInMs: soonest - this.#at.now,
    };
  }

  #enter(request: AcquireRequest, state: "pending" | "active"): StoredLease {
    if (!this.#database.hasRoom()) throw full(this.#options.path);
    const { now, wallNow } = this.#at;
    const token = mintToken(this.#last, wallNow);
    const givenMs = state === "active" ? request.ttlMs : request.waitTtlMs;
    const lease: StoredLease = {
      id: request.id,
      key: idKey(request.id),
      agentId: request.agentId,
      claims: request.claims,
      state,
      token,
      ttlMs: request.ttlMs,
      expires: now + givenMs,
      requestedWall: wallNow,
      acquiredWall: state === "active" ? wallNow : null,
      renewals: 0,
      maxRenewals: request.maxRenewals,
      holding: request.holding,
      reason: request.reason,
      metadata: request.metadata,
      revoking: null,
      givenMs,
      text: "",
    };
    this.#live.insert(lease);
    if (claimsSubtree(lease)) {
      this.#hasSubtrees = true;
      this.#database.forgetHead();
    }
    return lease;
  }

  #promote(lease: StoredLease): StoredLease {
    this.#live.leaveLine(lease);
    lease.state = "active";
    lease.acquiredWall = this.#at.wallNow;
    this.#extend(lease, this.#at.now + lease.ttlMs);
    this.#live.change(lease);
    this.moved = true;
    return lease;
  }

  #revoke(lease: StoredLease, request: ReleaseRequest & { kind: "revoke" }): ReleaseResult {
    if (lease.state === "pending" || request.graceMs === 0) {
      this.#end(lease, "revoked", request.by, request.reason);
      return { status: "revoked" };
    }
    const refusedFrom = this.#at.now + request.graceMs;
    if (lease.revoking === null || refusedFrom < lease.revoking.refusedFrom) {
      lease.revoking = { by: request.by, reason: request.reason, refusedFrom };
      this.#live.change(lease);
      this.#record("revoking", lease, request.by, request.reason);
    }
    return { status: "revoking" };
  }

  #renewEnded(request: RenewRequest): RenewResult {
    const ended = this.#ended(request.id);
    if (ended === undefined) return { status: "not-found" };
    if (ended.agent !== request.agentId) return { status: "not-owner" };
    if (ended.how === "expired") return { status: "expired" };
    if (ended.how === "revoked") return { status: "revoked", by: ended.by, reason: ended.reason };
    return { status: "not-found" };
  }

  #releaseEnded(request: ReleaseRequest & { kind: "release" | "abandon" }): ReleaseResult {
    const ended = this.#ended(request.id);
    if (ended !== undefined && ended.agent !== request.agentId) return { status: "not-owner" };
    if (request.kind === "abandon") {
      const { how, by, reason } = ended ?? { how: "cancelled", by: null, reason: null };
      this.#bury(request.id, request.agentId, how, by, reason);
    }
    return { status: "not-found" };
  }

  #end(lease: StoredLease, end: LeaseEnd, by: string | null = null, reason: string | null = null): void {
    this.#live.remove(lease);
    if (claimsSubtree(lease)) this.#database.forgetHead();
    lease.state = end;
    if (end === "expired" || end === "revoked") this.#bury(lease.id, lease.agentId, end, by, reason);
    this.#record(end, lease, by, reason);
    this.moved = true;
  }

  #ended(id: string): EndedRow | undefined {
    if (!this.#hasEnded) return undefined;
    const ended = this.#database.statements.ended.get(id);
    return ended !== undefined && this.#at.now < ended.forget_at ? ended : undefined;
  }

  #bury(
    id: string,
    agentId: string,
    end: LeaseEnd,
    by: string | null = null,
    reason: string | null = null,
  ): void {
    const forgetAt = this.#at.now + this.#options.endMemoryMs;
    this.#database.statements.bury.run(id, agentId, end, by, reason, forgetAt);
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#database.forgetHead();
  }

  #extend(lease: StoredLease, expires: number): void {
    lease.expires = expires;
    lease.givenMs = expires - this.#at.now;
  }

  #shown(lease: StoredLease) {
    return leaseOf(lease, this.#at);
  }

  #record(
    type: LeaseEventType,
    lease: StoredLease,
    by: string | null = null,
    reason: string | null = null,
  ): void {
    // The event that brings a new token into the world has that token for its number.
    this.#last = lease.token > this.#last ? lease.token : this.#nextSequence();
    this.#unwritten.push(encodeEvent(type, lease, this.#at.now, by, reason));
    this.recorded = true;
  }

  /**
   * Like a token, so that a restored file that grew on gives other numbers to other entries. Unlike a token never
   * refused: with a clock in the far future nobody could be released.
   */
  #nextSequence(): number {
    const byClock = Math.floor(this.#at.wallNow * 1000);
    return Number.isSafeInteger(byClock) ? Math.max(this.#last + 1, byClock) : this.#last + 1;
  }
}

function claimsSubtree({ claims }: StoredLease): boolean {
  return claims.some(({ resource }) => subtreeBase(resource) !== null);
}
