/**
 * A ledger over plain data in memory, and with it a whole store: no time, no waiting and no I/O, so that the explorer can
 * copy it and try every order of steps.
 */
import {
  DEFAULT_SWEEP_LIMIT,
  type LeasePage,
  type LeaseQuery,
  type SweepOptions,
  type SweepResult,
} from "../backend/backend.js";
import { formatCursor, type HistoryBounds } from "../backend/history.js";
import type { Ledger } from "../backend/ledger.js";
import { pageOf } from "../backend/page.js";
import {
  type Act,
  type EndRecord,
  type LeaseRecord,
  leaseOf,
  type Moment,
  timestamp,
} from "../backend/record.js";
import { Steps } from "../backend/steps.js";
import type { Claim, LeaseEvent, LeaseEventType } from "../model/model.js";
import { coveringSubtrees, subtreeBase } from "../model/resource.js";
import { firstConflict } from "../model/rule.js";
import { mintToken } from "../model/token.js";

interface MemoryLease extends LeaseRecord {
  /** On the clock of {@link Moment.now}. */
  expires: number;
}

interface Buried extends EndRecord {
  readonly forgetAt: number;
}

/** What became of a lease. Most entries are never read, so the event is made when one is. */
interface HistoryEntry {
  readonly sequence: number;
  readonly type: LeaseEventType;
  readonly lease: LeaseRecord;
  readonly leftMs: number;
  readonly at: Moment;
  readonly act: Act;
}

/** The ledger that `memoryBackend` wraps. */
export class MemoryStore implements Ledger<MemoryLease, MemoryLease> {
  readonly #epoch: string;
  readonly #endMemoryMs: number;
  /** Live leases, and ones that are over and that no step has passed yet. */
  readonly #leases = new Map<string, MemoryLease>();
  /** Their claims, by resource. */
  readonly #claims = new Map<string, MemoryLease[]>();
  #subtrees = 0;
  readonly #ended = new Map<string, Buried>();
  #history: HistoryEntry[] = [];
  #lastToken = 0;
  #lastSequence = 0;
  #prunedThrough = 0;
  /** Leases that ended or were granted since {@link takeMoved}. */
  #moved: string[] = [];
  at: Moment = { now: 0, wallNow: 0 };
  readonly steps = new Steps<MemoryLease, MemoryLease>(this);

  constructor(options: { readonly epoch: string; readonly endMemoryMs: number }) {
    this.#epoch = options.epoch;
    this.#endMemoryMs = options.endMemoryMs;
  }

  /** Begins what happens at one moment: steps, a listing, a sweep. */
  begin(at: Moment): this {
    this.at = at;
    return this;
  }

  list(query: LeaseQuery): LeasePage {
    const live = [...this.#leases.values()].filter((lease) => !this.isOver(lease));
    return pageOf(live, query, formatCursor(this.#epoch, this.#lastSequence), (lease) => this.#shown(lease));
  }

  sweep(options: SweepOptions): SweepResult {
    const over = [...this.#leases.values()]
      .filter((lease) => this.isOver(lease))
      .sort((a, b) => a.token - b.token);
    const more = over.splice(options.limit ?? DEFAULT_SWEEP_LIMIT).length > 0;
    for (const lease of over) this.steps.expire(lease);
    for (const [id, { forgetAt }] of this.#ended) if (this.at.now >= forgetAt) this.#ended.delete(id);
    return { expired: over.map((lease) => this.#shown(lease)), pruned: this.#prune(options), more };
  }

  /** Up to `limit` events after a position, oldest first. */
  eventsAfter(sequence: number, limit: number): { readonly sequence: number; readonly event: LeaseEvent }[] {
    const start = Math.max(0, sequence - this.#prunedThrough);
    return this.#history.slice(start, start + limit).map((entry) => ({
      sequence: entry.sequence,
      event: {
        cursor: formatCursor(this.#epoch, entry.sequence),
        type: entry.type,
        at: timestamp(entry.at.wallNow),
        lease: leaseOf(entry.lease, entry.leftMs, entry.at),
        by: entry.act.by,
        reason: entry.act.reason,
      },
    }));
  }

  bounds(): HistoryBounds {
    return { epoch: this.#epoch, prunedThrough: this.#prunedThrough, last: this.#lastSequence };
  }

  /** The leases that ended or were granted since the last call. */
  takeMoved(): readonly string[] {
    const moved = this.#moved;
    if (moved.length > 0) this.#moved = [];
    return moved;
  }

  /** A store in the same state that shares nothing that changes. */
  clone(): MemoryStore {
    const copy = new MemoryStore({ epoch: this.#epoch, endMemoryMs: this.#endMemoryMs });
    for (const lease of this.#leases.values()) copy.#add({ ...lease });
    for (const [id, ended] of this.#ended) copy.#ended.set(id, ended);
    copy.#history = [...this.#history];
    copy.#lastToken = this.#lastToken;
    copy.#lastSequence = this.#lastSequence;
    copy.#prunedThrough = this.#prunedThrough;
    return copy;
  }

  // The ledger

  lease(id: string): MemoryLease | undefined {
    return this.#leases.get(id);
  }

  ended(id: string): EndRecord | undefined {
    const ended = this.#ended.get(id);
    return ended !== undefined && this.at.now < ended.forgetAt ? ended : undefined;
  }

  rivals(claims: readonly Claim[]): readonly MemoryLease[] {
    const [first, ...others] = claims;
    if (first !== undefined && others.length === 0) {
      // A long queue is mostly for one resource that no subtree contains: its leases are in order as they are.
      const lists = this.#listsNear(first.resource);
      const [only = []] = lists;
      if (lists.length < 2 && subtreeBase(first.resource) === null) {
        return first.mode === "exclusive"
          ? only
          : only.filter((lease) => firstConflict(claims, lease.claims));
      }
    }
    const rivals = new Set<MemoryLease>();
    for (const claim of claims) {
      for (const lease of this.#near(claim.resource)) {
        if (firstConflict([claim], lease.claims)) rivals.add(lease);
      }
    }
    return rivals.size < 2 ? [...rivals] : [...rivals].sort((a, b) => a.token - b.token);
  }

  read(lease: MemoryLease): MemoryLease {
    return lease;
  }

  isOver(lease: MemoryLease): boolean {
    return this.at.now >= lease.expires;
  }

  blocksMs(lease: MemoryLease): number {
    return lease.expires - this.at.now;
  }

  holdsMs(lease: MemoryLease): number {
    return lease.expires - this.at.now;
  }

  nextToken(): number {
    this.#lastToken = mintToken(this.#lastToken, this.at.wallNow);
    return this.#lastToken;
  }

  insert(record: LeaseRecord, forMs: number): MemoryLease {
    const lease = { ...record, expires: this.at.now + forMs };
    this.#add(lease);
    return lease;
  }

  extend(lease: MemoryLease, forMs: number): void {
    lease.expires = this.at.now + forMs;
  }

  save(lease: MemoryLease, forMs?: number): void {
    if (forMs !== undefined) this.extend(lease, forMs);
  }

  remove(lease: MemoryLease): void {
    this.#leases.delete(lease.id);
    for (const { resource } of lease.claims) {
      if (subtreeBase(resource) !== null) this.#subtrees -= 1;
      const others = this.#on(resource).filter((other) => other !== lease);
      if (others.length === 0) this.#claims.delete(resource);
      else this.#claims.set(resource, others);
    }
  }

  bury(id: string, ended: EndRecord): void {
    this.#ended.set(id, { ...ended, forgetAt: this.at.now + this.#endMemoryMs });
  }

  record(type: LeaseEventType, lease: MemoryLease, act: Act): void {
    this.#lastSequence += 1;
    if (type !== "queued" && type !== "renewed") this.#moved.push(lease.id);
    const { at } = this;
    const entry = {
      sequence: this.#lastSequence,
      type,
      lease: { ...lease },
      leftMs: this.holdsMs(lease),
      at,
      act,
    };
    this.#history.push(entry);
  }

  /** The leases among which all that claim something that overlaps a resource are. */
  #near(resource: string): Iterable<MemoryLease> {
    if (subtreeBase(resource) !== null) return this.#leases.values();
    return this.#listsNear(resource).flat();
  }

  /** The leases that claim a resource or a subtree that contains it: a list for each that is claimed. */
  #listsNear(resource: string): (readonly MemoryLease[])[] {
    const names = this.#subtrees === 0 ? [resource] : [resource, ...coveringSubtrees(resource)];
    return names.map((name) => this.#on(name)).filter(({ length }) => length > 0);
  }

  #on(resource: string): readonly MemoryLease[] {
    return this.#claims.get(resource) ?? [];
  }

  #add(lease: MemoryLease): void {
    this.#leases.set(lease.id, lease);
    for (const { resource } of lease.claims) {
      if (subtreeBase(resource) !== null) this.#subtrees += 1;
      const claims = this.#claims.get(resource);
      if (claims === undefined) this.#claims.set(resource, [lease]);
      else claims.push(lease);
    }
  }

  #shown(lease: MemoryLease) {
    return leaseOf(lease, this.holdsMs(lease), this.at);
  }

  #prune({ historyRetentionMs }: SweepOptions): number {
    if (historyRetentionMs === undefined) return 0;
    const { wallNow } = this.at;
    const kept = this.#history.findIndex((entry) => entry.at.wallNow >= wallNow - historyRetentionMs);
    const pruned = this.#history.splice(0, kept < 0 ? this.#history.length : kept);
    this.#prunedThrough = pruned.at(-1)?.sequence ?? this.#prunedThrough;
    return pruned.length;
  }
}
