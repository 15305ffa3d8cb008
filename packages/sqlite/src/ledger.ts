/**
 * Core's steps over the tables: how a lease is found and what is written when it is entered, changed and taken out. It is
 * used inside a transaction that another part began and ends (`group.ts`), for all steps of that transaction in turn.
 */

import type { Claim, LeaseEventType } from "@lease/core";
import {
  type Act,
  type EndRecord,
  type LeaseRecord,
  type Ledger,
  type Moment,
  mintToken,
  type Rival,
  Steps,
  subtreeBase,
} from "@lease/core/backend";
import { decode, encode, encodeEvent, idKey, type LeaseRow, type StoredLease, stateNumber } from "./codec.js";
import { conflictingHolders, storedClaim } from "./conflicts.js";
import type { LeaseDatabase } from "./database.js";
import { full } from "./errors.js";
import { KIND, type RememberedHead, type StoredClaim } from "./statements.js";

export interface LedgerOptions {
  /** For messages. */
  readonly path: string;
  readonly endMemoryMs: number;
  readonly recordRenewals: boolean;
}

/** A lease in the way, as far as its claim and its time say. */
export interface SqliteRival extends Rival {
  /** Its id as it stands in the columns. */
  readonly key: string;
  readonly expires: number;
}

/** Stands for a row that a claim points to and that is not there: decoding it reports that the file is damaged. */
const MISSING: Omit<LeaseRow, "id"> = { token: 0, state: 0, expires: 0, given_ms: 0, body: "" };

/** So many rows are remembered, the newest. */
const MAX_ROWS = 10_000;

export class SqliteLedger implements Ledger<SqliteRival, StoredLease> {
  readonly steps = new Steps<SqliteRival, StoredLease>(this);
  at: Moment = { now: 0, wallNow: 0 };
  readonly #database: Pick<LeaseDatabase, "statements" | "hasRoom" | "forgetHead">;
  readonly #options: LedgerOptions;
  #head: RememberedHead | undefined;
  #rows: RememberedHead["rows"] = new Map();
  #last = 0;
  #hasSubtrees = false;
  #hasEnded = false;
  #unwritten: string[] = [];
  /** Since `begin`: something was added to the history. */
  recorded = false;
  /** Since `begin`: a lease ended, or a granted one now lives for another time than it waited. */
  moved = false;
  /** Set by `flush`, if a lease moved: whether any request is queued, of whatever process. */
  hasQueue = false;

  constructor(database: LeaseDatabase, options: LedgerOptions) {
    this.#database = database;
    this.#options = options;
  }

  /** Begins a transaction's steps, all of them at one moment. */
  begin(at: Moment, head: RememberedHead): void {
    this.at = at;
    this.#head = head;
    this.#rows = head.rows;
    this.#last = head.last ?? 0;
    this.#hasSubtrees = head.has_subtrees === 1;
    this.#hasEnded = head.has_ended === 1;
    this.#unwritten = [];
    this.recorded = false;
    this.moved = false;
    this.hasQueue = false;
  }

  /** Writes what the steps added to the history; call it before the commit. */
  flush(): void {
    const events = this.#unwritten;
    const head = this.#head;
    if (events.length === 0 || head === undefined) return;
    const { statements } = this.#database;
    statements.record.run(this.#last, events.length, this.at.wallNow, `[${events.join()}]`);
    head.last = this.#last;
    this.#unwritten = [];
    if (!this.moved) return;
    head.has_queue ??= statements.hasQueue.get() as number;
    this.hasQueue = head.has_queue === 1;
  }

  /** Number of the newest history entry. */
  get last(): number {
    return this.#last;
  }

  lease(id: string): StoredLease | undefined {
    const row = this.#rows.get(id) ?? this.#database.statements.lease.get(idKey(id));
    return row && decode(row, id);
  }

  ended(id: string): EndRecord | undefined {
    if (!this.#hasEnded) return undefined;
    const row = this.#database.statements.ended.get(id);
    if (row === undefined || this.at.now >= row.forget_at) return undefined;
    return { agentId: row.agent, end: row.how, by: row.by, reason: row.reason };
  }

  rivals(claims: readonly Claim[]): readonly SqliteRival[] {
    const { statements } = this.#database;
    return conflictingHolders(statements, claims, this.#hasSubtrees).map(({ token, key }) => {
      const expires = statements.expiresOf.get(key);
      return expires === undefined ? this.#at(key) : { token, key, expires };
    });
  }

  read({ key }: SqliteRival): StoredLease {
    return this.#at(key);
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
    return mintToken(this.#last, this.at.wallNow);
  }

  insert(record: LeaseRecord, forMs: number): StoredLease {
    if (!this.#database.hasRoom()) throw full(this.#options.path);
    const { insertLease, insertClaims, insertPlace } = this.#database.statements;
    const key = idKey(record.id);
    const expires = this.at.now + forMs;
    const lease: StoredLease = {
      ...record,
      key,
      expires,
      givenMs: forMs,
      text: "",
      isQueued: record.state === "pending",
    };
    lease.text = encode(lease);
    const state = stateNumber(lease.state);
    const [first, ...others] = lease.claims.map(storedClaim) as [StoredClaim, ...StoredClaim[]];
    insertLease.run(
      ...([key, lease.token, state, expires, forMs, lease.text, lease.agentId] as const),
      ...([first.kind, first.key, lease.token, first.mode, key] as const),
    );
    insertClaims(others, lease.token, key);
    if (lease.isQueued) {
      insertPlace.run(lease.token, key);
      if (this.#head !== undefined) this.#head.has_queue = 1;
    }
    this.#remember(lease);
    if (claimsSubtree(lease)) {
      this.#hasSubtrees = true;
      this.#database.forgetHead();
    }
    return lease;
  }

  extend(lease: StoredLease, forMs: number): void {
    lease.expires = this.at.now + forMs;
    lease.givenMs = forMs;
    this.#write(lease);
  }

  save(lease: StoredLease, forMs: number = lease.expires - this.at.now): void {
    lease.expires = this.at.now + forMs;
    lease.givenMs = forMs;
    lease.text = encode(lease);
    if (lease.isQueued && lease.state === "active") {
      this.#leaveQueue(lease);
      this.moved = true;
    }
    this.#write(lease);
  }

  remove(lease: StoredLease): void {
    const { removeLease, removeClaims } = this.#database.statements;
    const { key, token } = lease;
    this.#rows.delete(lease.id);
    const [first, ...others] = lease.claims.map(storedClaim) as [StoredClaim, ...StoredClaim[]];
    removeLease.run(key, token, first.kind, first.key, token);
    for (const kind of [KIND.claim, KIND.subtree]) {
      const keys = others.filter((claim) => claim.kind === kind).map((claim) => claim.key);
      removeClaims(kind, token, keys);
    }
    if (lease.isQueued) this.#leaveQueue(lease);
    if (claimsSubtree(lease)) this.#database.forgetHead();
    this.moved = true;
  }

  bury(id: string, { agentId, end, by, reason }: EndRecord): void {
    const forgetAt = this.at.now + this.#options.endMemoryMs;
    this.#database.statements.bury.run(id, agentId, end, by, reason, forgetAt);
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#database.forgetHead();
  }

  record(type: LeaseEventType, lease: StoredLease, { by, reason }: Act): void {
    if (type === "renewed" && !this.#options.recordRenewals) return;
    // The entry that brings a new token has that token for its number.
    this.#last = lease.token > this.#last ? lease.token : this.#nextSequence();
    this.#unwritten.push(encodeEvent(type, lease, this.at.now, by, reason));
    this.recorded = true;
  }

  /** A lease that a claim points to. @throws `BACKEND_CORRUPT` when it is not there */
  #at(key: string): StoredLease {
    return decode(this.#database.statements.lease.get(key) ?? { ...MISSING, id: key });
  }

  #write(lease: StoredLease): void {
    const { key, token, state, expires, givenMs, text } = lease;
    this.#database.statements.updateLease.run(stateNumber(state), expires, givenMs, text, key, token);
    this.#remember(lease);
  }

  #leaveQueue(lease: StoredLease): void {
    this.#database.statements.removePlace.run(lease.token);
    lease.isQueued = false;
    if (this.#head !== undefined) this.#head.has_queue = null;
  }

  /** A holder comes back to renew and release: its row need not be read again then. */
  #remember({ id, key, token, state, expires, givenMs, text }: StoredLease): void {
    const row = { id: key, token, state: stateNumber(state), expires, given_ms: givenMs, body: text };
    this.#rows.set(id, row);
    if (this.#rows.size <= MAX_ROWS) return;
    for (const oldest of this.#rows.keys()) {
      this.#rows.delete(oldest);
      break;
    }
  }

  /**
   * Like a token, so that a restored file that grew on gives other numbers to other entries. Unlike a token never
   * refused: with a clock in the far future no lease could be released.
   */
  #nextSequence(): number {
    const byClock = Math.floor(this.at.wallNow * 1000);
    return Number.isSafeInteger(byClock) ? Math.max(this.#last + 1, byClock) : this.#last + 1;
  }
}

function claimsSubtree({ claims }: StoredLease): boolean {
  return claims.some(({ resource }) => subtreeBase(resource) !== null);
}
