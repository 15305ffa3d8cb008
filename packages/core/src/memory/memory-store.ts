/**
 * The contract as a program: what every backend must do, step by step, over plain data in memory.
 *
 * Each method is one atomic step at a given moment; there is no time, no waiting and no I/O in here, so that the
 * explorer can copy a store and try every order of steps, and the model test can hold other backends to it. It scans
 * where another backend has an index: it is meant to be read.
 */
import type {
  AcquireRequest,
  AcquireResult,
  LeasePage,
  LeaseQuery,
  ReleaseRequest,
  ReleaseResult,
  RenewRequest,
  RenewResult,
  SweepOptions,
  SweepResult,
} from "../backend/backend.js";
import { DEFAULT_PAGE, DEFAULT_SWEEP_LIMIT } from "../backend/backend.js";
import { formatCursor, type HistoryBounds } from "../backend/history.js";
import { nextPage, pageStart } from "../backend/page.js";
import {
  differentClaims,
  type LeaseRecord,
  leaseOf,
  type Moment,
  matchesFilters,
  notOwner,
  owns,
  refusalOf,
  sameClaims,
  soonestExpiry,
} from "../backend/record.js";
import type { Claim, LeaseEnd, LeaseEvent, LeaseEventType } from "../model/model.js";
import { blockersOf, firstConflict, isLive } from "../model/rule.js";
import { mintToken } from "../model/token.js";

/** What is remembered of an id after its end, so that it has one life. */
interface Tombstone {
  readonly agentId: string;
  readonly end: LeaseEnd;
  readonly by: string | null;
  readonly reason: string | null;
  readonly forgetAt: number;
}

interface HistoryEntry {
  readonly sequence: number;
  readonly wallNow: number;
  readonly event: LeaseEvent;
}

/** The contract's steps over plain data: what `memoryBackend` wraps and the model test compares with. */
export class MemoryStore {
  readonly #epoch: string;
  readonly #endMemoryMs: number;
  /** Live leases, and dead ones that no step has passed yet. */
  readonly #leases = new Map<string, LeaseRecord>();
  readonly #tombstones = new Map<string, Tombstone>();
  #history: HistoryEntry[] = [];
  #lastToken = 0;
  #lastSequence = 0;
  #prunedThrough = 0;

  constructor(options: { readonly epoch: string; readonly endMemoryMs: number }) {
    this.#epoch = options.epoch;
    this.#endMemoryMs = options.endMemoryMs;
  }

  acquire(request: AcquireRequest, at: Moment): AcquireResult {
    const existing = this.#find(request.id, at);
    if (existing === undefined) {
      const tombstone = this.#tombstone(request.id, at);
      if (tombstone !== undefined) {
        if (tombstone.agentId !== request.agentId) throw notOwner(request.id);
        return { status: "ended", end: tombstone.end, by: tombstone.by, reason: tombstone.reason };
      }
    } else {
      if (existing.agentId !== request.agentId) throw notOwner(request.id);
      if (!sameClaims(existing.claims, request.claims)) throw differentClaims(request.id);
      if (existing.state === "active")
        return { status: "granted", lease: leaseOf(existing, at), repeated: true };
    }

    this.#expireDeadInTheWay(request.claims, at);
    const asking = existing ?? { token: Number.POSITIVE_INFINITY, claims: request.claims };
    const blockers = blockersOf(asking, this.#leases.values(), at.now);

    if (blockers.length === 0) {
      const lease = existing ?? this.#enter(request, at);
      lease.state = "active";
      lease.acquiredWall = at.wallNow;
      lease.expires = at.now + lease.ttlMs;
      this.#record("acquired", lease, at);
      return { status: "granted", lease: leaseOf(lease, at), repeated: false };
    }

    const refusal = refusalOf(request.claims, blockers, at.now);
    if (!request.wait) {
      if (existing !== undefined) this.#end(existing, "cancelled", at);
      return { status: "refused", lease: null, ...refusal };
    }
    const lease = existing ?? this.#enter(request, at);
    lease.expires = at.now + request.waitTtlMs;
    if (existing === undefined) this.#record("queued", lease, at);
    return { status: "refused", lease: leaseOf(lease, at), ...refusal };
  }

  /**
   * Whether a pending request may have reached its turn, and if not, when time alone could bring it.
   * An id that is not pending has nothing to wait for.
   */
  turn(id: string, at: Moment): { readonly reached: boolean; readonly lookAgainAt: number } {
    const lease = this.#leases.get(id);
    if (lease?.state !== "pending" || !isLive(lease, at.now)) return { reached: true, lookAgainAt: at.now };
    const blockers = blockersOf(lease, this.#leases.values(), at.now);
    const lookAgainAt = soonestExpiry([lease, ...blockers]);
    return { reached: blockers.length === 0, lookAgainAt };
  }

  renew(request: RenewRequest, at: Moment): RenewResult {
    const lease = this.#find(request.id, at);
    if (lease === undefined) return this.#renewEnded(request, at);
    if (!owns(request, lease)) return { status: "not-owner" };
    if (lease.state === "pending") return { status: "pending" };
    if (lease.revoking !== null && at.now >= lease.revoking.refusedFrom) {
      return { status: "revoked", by: lease.revoking.by, reason: lease.revoking.reason };
    }
    const renewal = request.renewal ?? lease.renewals + 1;
    // A repeat extends nothing either: repeated at the limit, it would otherwise hold for ever.
    if (renewal > lease.renewals) {
      if (lease.maxRenewals !== null && renewal > lease.maxRenewals) {
        return { status: "renewal-limit", maxRenewals: lease.maxRenewals };
      }
      lease.renewals = renewal;
      lease.expires = Math.max(lease.expires, at.now + (request.ttlMs ?? lease.ttlMs));
      this.#record("renewed", lease, at);
    }
    return { status: "renewed", lease: leaseOf(lease, at) };
  }

  release(request: ReleaseRequest, at: Moment): ReleaseResult {
    const lease = this.#find(request.id, at);
    if (request.kind === "revoke") return lease ? this.#revoke(lease, request, at) : { status: "not-found" };

    if (lease === undefined) {
      const tombstone = this.#tombstone(request.id, at);
      if (tombstone !== undefined && tombstone.agentId !== request.agentId) return { status: "not-owner" };
      if (request.kind === "abandon")
        this.#bury(tombstone ?? { ...request, end: "cancelled" }, request.id, at);
      return { status: "not-found" };
    }
    if (!owns(request, lease)) return { status: "not-owner" };
    const end = lease.state === "pending" ? "cancelled" : "released";
    this.#end(lease, end, at);
    if (request.kind === "abandon") this.#bury({ ...request, end }, request.id, at);
    return { status: end };
  }

  list(query: LeaseQuery, at: Moment): LeasePage {
    const limit = query.limit ?? DEFAULT_PAGE;
    const start = pageStart(query);
    const cursor = start.cursor ?? formatCursor(this.#epoch, this.#lastSequence);
    const found = [...this.#leases.values()]
      .filter((lease) => isLive(lease, at.now) && lease.token > start.token)
      .filter((lease) => query.state === undefined || lease.state === query.state)
      .filter((lease) => matchesFilters(lease, query))
      .sort((a, b) => a.token - b.token);
    const page = found.slice(0, limit);
    return {
      leases: page.map((lease) => leaseOf(lease, at)),
      cursor,
      next: nextPage(found, limit, cursor),
    };
  }

  sweep(options: SweepOptions, at: Moment): SweepResult {
    const dead = [...this.#leases.values()]
      .filter((lease) => !isLive(lease, at.now))
      .sort((a, b) => a.token - b.token)
      .slice(0, options.limit ?? DEFAULT_SWEEP_LIMIT);
    for (const lease of dead) this.#expire(lease, at);
    for (const [id, tombstone] of this.#tombstones) {
      if (at.now >= tombstone.forgetAt) this.#tombstones.delete(id);
    }
    return { expired: dead.map((lease) => leaseOf(lease, at)), pruned: this.#prune(options, at) };
  }

  /** Up to `limit` events after a position, oldest first. */
  eventsAfter(sequence: number, limit: number): { readonly sequence: number; readonly event: LeaseEvent }[] {
    const start = this.#history.findIndex((entry) => entry.sequence > sequence);
    return start < 0 ? [] : this.#history.slice(start, start + limit);
  }

  bounds(): HistoryBounds {
    return { epoch: this.#epoch, prunedThrough: this.#prunedThrough, last: this.#lastSequence };
  }

  /** A store in the same state that shares nothing that changes: what lets the explorer try every next step. */
  clone(): MemoryStore {
    const copy = new MemoryStore({ epoch: this.#epoch, endMemoryMs: this.#endMemoryMs });
    for (const [id, lease] of this.#leases) copy.#leases.set(id, { ...lease });
    for (const [id, tombstone] of this.#tombstones) copy.#tombstones.set(id, tombstone);
    copy.#history = [...this.#history];
    copy.#lastToken = this.#lastToken;
    copy.#lastSequence = this.#lastSequence;
    copy.#prunedThrough = this.#prunedThrough;
    return copy;
  }

  /** The lease of an id if it is live; a dead one is ended on the way. */
  #find(id: string, at: Moment): LeaseRecord | undefined {
    const lease = this.#leases.get(id);
    if (lease === undefined || isLive(lease, at.now)) return lease;
    this.#expire(lease, at);
    return undefined;
  }

  #enter(request: AcquireRequest, at: Moment): LeaseRecord {
    this.#lastToken = mintToken(this.#lastToken, at.wallNow);
    const lease: LeaseRecord = {
      id: request.id,
      agentId: request.agentId,
      claims: frozen(request.claims.map(({ resource, mode }) => ({ resource, mode }))),
      state: "pending",
      token: this.#lastToken,
      ttlMs: request.ttlMs,
      expires: at.now,
      requestedWall: at.wallNow,
      acquiredWall: null,
      renewals: 0,
      maxRenewals: request.maxRenewals,
      holding: frozen([...request.holding]),
      reason: request.reason,
      metadata: frozen(structuredClone(request.metadata)),
      revoking: null,
    };
    this.#leases.set(lease.id, lease);
    return lease;
  }

  #expireDeadInTheWay(claims: readonly Claim[], at: Moment): void {
    for (const lease of [...this.#leases.values()]) {
      if (!isLive(lease, at.now) && firstConflict(claims, lease.claims)) this.#expire(lease, at);
    }
  }

  /** Ends a lease that is past its time: as revoked, if that is what its holder was told. */
  #expire(lease: LeaseRecord, at: Moment): void {
    const { revoking } = lease;
    if (revoking === null) this.#end(lease, "expired", at);
    else this.#end(lease, "revoked", at, revoking);
  }

  #revoke(lease: LeaseRecord, request: ReleaseRequest & { kind: "revoke" }, at: Moment): ReleaseResult {
    if (lease.state === "pending" || request.graceMs === 0) {
      this.#end(lease, "revoked", at, request);
      return { status: "revoked" };
    }
    const refusedFrom = at.now + request.graceMs;
    if (lease.revoking === null || refusedFrom < lease.revoking.refusedFrom) {
      lease.revoking = { by: request.by, reason: request.reason, refusedFrom };
      this.#record("revoking", lease, at, request);
    }
    return { status: "revoking" };
  }

  #end(lease: LeaseRecord, end: LeaseEnd, at: Moment, act: Act = NOBODY): void {
    this.#leases.delete(lease.id);
    lease.state = end;
    if (end === "expired" || end === "revoked")
      this.#bury({ ...act, agentId: lease.agentId, end }, lease.id, at);
    this.#record(end, lease, at, act);
  }

  #bury(of: Pick<Tombstone, "agentId" | "end"> & Partial<Act>, id: string, at: Moment): void {
    this.#tombstones.set(id, {
      agentId: of.agentId,
      end: of.end,
      by: of.by ?? null,
      reason: of.reason ?? null,
      forgetAt: at.now + this.#endMemoryMs,
    });
  }

  #tombstone(id: string, at: Moment): Tombstone | undefined {
    const tombstone = this.#tombstones.get(id);
    return tombstone !== undefined && at.now < tombstone.forgetAt ? tombstone : undefined;
  }

  #renewEnded(request: RenewRequest, at: Moment): RenewResult {
    const tombstone = this.#tombstone(request.id, at);
    if (tombstone === undefined) return { status: "not-found" };
    if (tombstone.agentId !== request.agentId) return { status: "not-owner" };
    if (tombstone.end === "expired") return { status: "expired" };
    if (tombstone.end === "revoked") return { status: "revoked", by: tombstone.by, reason: tombstone.reason };
    return { status: "not-found" };
  }

  #record(type: LeaseEventType, lease: LeaseRecord, at: Moment, act: Act = NOBODY): void {
    this.#lastSequence += 1;
    const event: LeaseEvent = {
      cursor: formatCursor(this.#epoch, this.#lastSequence),
      type,
      at: new Date(at.wallNow).toISOString(),
      lease: leaseOf(lease, at),
      by: act.by,
      reason: act.reason,
    };
    this.#history.push({ sequence: this.#lastSequence, wallNow: at.wallNow, event });
  }

  #prune(options: SweepOptions, at: Moment): number {
    if (options.historyRetentionMs === undefined) return 0;
    const keepFrom = at.wallNow - options.historyRetentionMs;
    const kept = this.#history.findIndex((entry) => entry.wallNow >= keepFrom);
    const pruned = this.#history.splice(0, kept < 0 ? this.#history.length : kept);
    this.#prunedThrough = pruned.at(-1)?.sequence ?? this.#prunedThrough;
    return pruned.length;
  }
}

/** Who ended a lease and why, where that is not the agent itself. */
interface Act {
  readonly by: string | null;
  readonly reason: string | null;
}

const NOBODY: Act = Object.freeze({ by: null, reason: null });

/** Answers hand these out as they are kept: whoever changes an answer must not change the store. */
function frozen<T>(data: T): T {
  if (typeof data !== "object" || data === null) return data;
  for (const part of Object.values(data)) frozen(part);
  return Object.freeze(data);
}
