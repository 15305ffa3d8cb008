/**
 * Core's steps over the tables: how a lease is found, and what is written when it is entered, changed and taken out. One
 * ledger lasts for one transaction, which another part begins and ends (`group.ts`), and serves all steps in it.
 */
import type { Claim, LeaseEventType } from "@lease/core";
import {
  type Act,
  type EndRecord,
  type LeaseRecord,
  type Ledger,
  type Moment,
  mintToken,
  Steps,
} from "@lease/core/backend";
import {
  decode,
  encode,
  encodeEvent,
  idKey,
  idText,
  type StoredLease,
  stateNumber,
  unreadable,
} from "./codec.js";
import { conflicting, storedClaim } from "./conflicts.js";
import type { LeaseDatabase } from "./database.js";
import { full } from "./errors.js";
import type { SqliteRival } from "./queues.js";
import { type Head, KIND, type Statements, type StoredClaim } from "./statements.js";

export interface LedgerOptions {
  /** For messages. */
  readonly path: string;
  readonly endMemoryMs: number;
  readonly recordRenewals: boolean;
}

/** The most leases that are remembered, the newest. */
const MAX_REMEMBERED = 10_000;

export class SqliteLedger implements Ledger<SqliteRival, StoredLease> {
  readonly at: Moment;
  readonly head: Head;
  readonly database: LeaseDatabase;
  readonly statements: Statements;
  readonly steps = new Steps<SqliteRival, StoredLease>(this);
  readonly #options: LedgerOptions;
  readonly #events: string[] = [];
  /** Ids of the leases that ended, or that were granted and now live for another time than they waited. */
  readonly moved: string[] = [];

  constructor(database: LeaseDatabase, head: Head, at: Moment, options: LedgerOptions) {
    this.database = database;
    this.statements = database.statements;
    this.head = head;
    this.at = at;
    this.#options = options;
  }

  /** Whether anything was added to the history. */
  get recorded(): boolean {
    return this.#events.length > 0;
  }

  /** Writes what the steps added to the history; call it once, before the commit. */
  flush(): void {
    if (!this.recorded) return;
    const { statements, head } = this;
    statements.record.run(head.last, this.#events.length, this.at.wallNow, `[${this.#events.join()}]`);
    if (this.moved.length > 0) head.has_queue ??= statements.hasQueue.get() as number;
  }

  lease(id: string): StoredLease | undefined {
    const remembered = this.head.leases.get(id);
    if (remembered !== undefined) return remembered;
    const row = this.statements.lease.get(idKey(id));
    return row && decode(row, id);
  }

  ended(id: string): EndRecord | undefined {
    if (this.head.has_ended === 0) return undefined;
    const row = this.statements.ended.get(id);
    if (row === undefined || this.at.now >= row.forget_at) return undefined;
    return { agentId: row.agent, end: row.how, by: row.by, reason: row.reason };
  }

  rivals(claims: readonly Claim[]): readonly SqliteRival[] {
    return conflicting(this.statements, this.head, claims);
  }

  read({ key }: SqliteRival): StoredLease {
    const row = this.statements.lease.get(key);
    if (row === undefined) throw missing(key);
    return decode(row);
  }

  isOver({ expires }: SqliteRival): boolean {
    return this.at.now >= expires;
  }

  blocksMs({ expires }: SqliteRival): number {
    return expires - this.at.now;
  }

  holdsMs({ expires }: StoredLease): number {
    return expires - this.at.now;
  }

  nextToken(): number {
    return mintToken(this.head.last, this.at.wallNow);
  }

  insert(record: LeaseRecord, forMs: number): StoredLease {
    if (!this.database.hasRoom()) throw full(this.#options.path);
    const { head, statements } = this;
    const { id, agentId, token } = record;
    const key = idKey(id);
    const expires = this.at.now + forMs;
    const isQueued = record.state === "pending";
    const lease: StoredLease = { ...record, key, expires, givenMs: forMs, text: "", isQueued };
    lease.text = encode(lease);
    const [first, ...others] = storedClaims(lease);
    statements.insertLease.run(
      ...[key, token, stateNumber(lease.state), expires, forMs, lease.text, agentId],
      ...[first.kind, first.key, token, first.mode, key],
    );
    statements.insertClaims(others, token, key);
    for (const claim of [first, ...others]) {
      if (claim.kind === KIND.claim) head.queues.add(claim.key, claim, lease);
    }
    if (isQueued) {
      statements.insertQueued.run(token, key);
      head.has_queue = 1;
    }
    if (claimsSubtree(first, others)) head.has_subtrees = 1;
    head.leases.set(id, lease);
    if (head.leases.size > MAX_REMEMBERED) head.leases.delete(head.leases.keys().next().value as string);
    return lease;
  }

  extend(lease: StoredLease, forMs: number): void {
    lease.expires = this.at.now + forMs;
    lease.givenMs = forMs;
    const { key, token, state, expires, text } = lease;
    this.head.queues.move(lease);
    this.statements.updateLease.run(stateNumber(state), expires, forMs, text, key, token);
  }

  save(lease: StoredLease, forMs: number = lease.expires - this.at.now): void {
    lease.expires = this.at.now + forMs;
    lease.text = encode(lease);
    if (lease.isQueued && lease.state === "active") {
      this.#leaveQueue(lease);
      this.moved.push(lease.id);
    }
    this.extend(lease, forMs);
  }

  remove(lease: StoredLease): void {
    const { key, token } = lease;
    const [first, ...others] = storedClaims(lease);
    this.statements.removeLease.run(key, token, first.kind, first.key, token);
    this.statements.removeClaims(others, token);
    for (const { kind, key: resource } of [first, ...others]) {
      if (kind === KIND.claim) this.head.queues.remove(resource, lease);
    }
    if (lease.isQueued) this.#leaveQueue(lease);
    // Whether there are others is read again.
    if (claimsSubtree(first, others)) this.database.forgetHead();
    this.head.leases.delete(lease.id);
    this.moved.push(lease.id);
  }

  bury(id: string, { agentId, end, by, reason }: EndRecord): void {
    const forgetAt = this.at.now + this.#options.endMemoryMs;
    this.statements.bury.run(id, agentId, end, by, reason, forgetAt);
    this.head.has_ended = 1;
  }

  record(type: LeaseEventType, lease: StoredLease, { by, reason }: Act): void {
    if (type === "renewed" && !this.#options.recordRenewals) return;
    // The entry that brings a new token has that token for its number.
    this.head.last = lease.token > this.head.last ? lease.token : this.#nextSequence();
    this.#events.push(encodeEvent(type, lease, this.at.now, by, reason));
  }

  #leaveQueue(lease: StoredLease): void {
    this.statements.removeQueued.run(lease.token);
    lease.isQueued = false;
    this.head.has_queue = null;
  }

  /**
   * Like a token, so that a restored file that grew on gives other numbers to other entries. Unlike a token never
   * refused: with a clock in the far future no lease could be released.
   */
  #nextSequence(): number {
    const next = this.head.last + 1;
    const byClock = Math.floor(this.at.wallNow * 1000);
    return Number.isSafeInteger(byClock) ? Math.max(next, byClock) : next;
  }
}

function storedClaims({ claims }: StoredLease): [StoredClaim, ...StoredClaim[]] {
  return claims.map(storedClaim) as [StoredClaim, ...StoredClaim[]];
}

function claimsSubtree(first: StoredClaim, others: readonly StoredClaim[]): boolean {
  return first.kind === KIND.subtree || others.some(({ kind }) => kind === KIND.subtree);
}

/** A claim points to a lease that is not there. */
function missing(key: string): Error {
  return unreadable(`lease ${idText(key)}`);
}
