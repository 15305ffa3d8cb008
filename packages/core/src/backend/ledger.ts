/**
 * What the steps (`steps.ts`) need of a store that can answer inside one transaction. The store looks up and writes;
 * the steps decide. A ledger is used by one step at a time, at one moment.
 *
 * Time has three answers here, because a store without a clock of its own needs three (an observer counts a lease's TTL
 * from when it first saw the lease, a holder from before it wrote it): {@link Ledger.isOver}, {@link Ledger.blocksMs}
 * and {@link Ledger.holdsMs}. A store whose clock decides answers all three from one expiry.
 */
import type { Claim, LeaseEventType } from "../model/model.js";
import type { Act, EndRecord, LeaseRecord, Moment } from "./record.js";

/** A lease with a claim that conflicts with those of a request. Read whole only when it is shown or ended. */
export interface Rival {
  readonly token: number;
}

/**
 * A store's leases inside one transaction.
 *
 * @typeParam R - how the store names a rival
 * @typeParam L - a lease as the store keeps it
 */
export interface Ledger<R extends Rival = Rival, L extends R & LeaseRecord = R & LeaseRecord> {
  /** The moment of this transaction, on the clock that soft revokes are counted on and on the wall clock. */
  readonly at: Moment;

  /** The lease of an id, also one that is over and was not ended yet. */
  lease(id: string): L | undefined;
  /** How an id ended, for as long as that is remembered. */
  ended(id: string): EndRecord | undefined;
  /**
   * All leases with a claim that conflicts with one of these, in order of token: also later ones, and ones that are over.
   * A list that the ledger keeps may be returned as it is: a step writes only once it has looked through it.
   */
  rivals(claims: readonly Claim[]): readonly R[];
  /** The whole lease of a rival. */
  read(rival: R): L;

  /** Whether its time is over for the part that performs this step: it blocks no longer and may be ended. */
  isOver(lease: R): boolean;
  /** For how long it may still be in the way, in ms, unless it is renewed: never less than its holder relies on. */
  blocksMs(lease: R): number;
  /** For how long its holder may still rely on it, in ms: never more than it blocks; 0 if this store cannot know. */
  holdsMs(lease: L): number;

  /** Mints a token: greater than all before. */
  nextToken(): number;
  /** Writes a new lease that lives `forMs` from now. */
  insert(lease: LeaseRecord, forMs: number): L;
  /** Writes a lease of which only the time changed: it lives `forMs` from now. */
  extend(lease: L, forMs: number): void;
  /** Writes a lease whose record changed; with `forMs` it lives that long from now. */
  save(lease: L, forMs?: number): void;
  /** Takes a lease out of the live ones. */
  remove(lease: L): void;
  /** Remembers the end of an id for `limits.endMemoryMs`. */
  bury(id: string, end: EndRecord): void;
  /** Adds an entry to the history. */
  record(type: LeaseEventType, lease: L, act: Act): void;
}
