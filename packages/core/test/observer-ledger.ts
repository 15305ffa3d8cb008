/**
 * A ledger of a store that tells no time, as Consul's will be: each client keeps a picture of one journal, counts the TTL
 * of each version on its own clock, and writes by compare-and-set on the state that it decided from.
 */
import type { Ledger } from "../src/backend/ledger.js";
import type { Act, EndRecord, LeaseRecord, Moment } from "../src/backend/record.js";
import type { Claim, LeaseEventType } from "../src/model/model.js";
import { firstConflict } from "../src/model/rule.js";

interface Version {
  readonly record: LeaseRecord;
  /** How long it lives from when it was written. */
  readonly livesMs: number;
  /** The write that made it. */
  readonly index: number;
}

/** What all clients share: the newest state, replaced as a whole if nothing was written since it was read. */
export interface Journal {
  index: number;
  token: number;
  leases: ReadonlyMap<string, Version>;
  ended: ReadonlyMap<string, EndRecord>;
  events: readonly { readonly type: LeaseEventType; readonly id: string }[];
}

export const emptyJournal = (): Journal => ({
  index: 0,
  token: 0,
  leases: new Map(),
  ended: new Map(),
  events: [],
});

/** What a client knows of one version: two moments on its own clock. */
interface Sighting {
  readonly index: number;
  /** When the answer arrived that first showed it. What blocks others counts from here. */
  readonly seenAt: number;
  /** It was surely not written before; `null` where this client cannot know. What its holder relies on counts from here. */
  readonly notBefore: number | null;
}

/**
 * Planted faults: writes without comparing; a newcomer counts a TTL for the holder from when it first saw the lease; one
 * moment for both, so that a lease blocks from when it may have been written at the earliest.
 */
export type Fault = "writes blindly" | "newcomer guesses" | "one expiry for all" | null;

export interface Observed extends LeaseRecord {
  livesMs: number;
  sighting: Sighting;
}

/** One process: its clock, what it saw of which version, and the step that it takes now. */
export class ObserverClient {
  readonly #journal: Journal;
  readonly #clock: () => number;
  readonly #sightings = new Map<string, Sighting>();
  /** When it last read the whole journal. */
  #readAt: number | null = null;
  #picture: Journal = emptyJournal();

  readonly #fault: Fault;

  constructor(journal: Journal, clock: () => number, fault: Fault = null) {
    this.#journal = journal;
    this.#clock = clock;
    this.#fault = fault;
  }

  /** Reads the journal; a picture that is older than the one it has changes nothing. */
  look(journal: Journal = this.#journal, sentAt = this.#clock()): void {
    if (journal.index < this.#picture.index) return;
    this.#picture = { ...journal };
    for (const [id, version] of journal.leases) this.#see(id, version.index, this.#readAt);
    for (const id of this.#sightings.keys()) if (!journal.leases.has(id)) this.#sightings.delete(id);
    this.#readAt = sentAt;
  }

  /**
   * Takes a step on the picture that it has.
   *
   * @returns its answer, or `null` when another write came first: nothing was written
   */
  step<T>(run: (ledger: ObserverLedger) => T): T | null {
    const sentAt = this.#clock();
    const ledger = new ObserverLedger(this.#picture, this.#sightings, sentAt, this.#fault);
    const answer = run(ledger);
    if (!ledger.wrote) return answer;
    const isStale = this.#journal.index !== this.#picture.index;
    if (isStale && this.#fault !== "writes blindly") return null;
    Object.assign(this.#journal, { ...ledger.state(), index: this.#journal.index + 1 });
    this.#picture = { ...this.#journal };
    for (const id of ledger.written) {
      const version = this.#journal.leases.get(id);
      if (version === undefined) this.#sightings.delete(id);
      else this.#sightings.set(id, { index: version.index, seenAt: this.#clock(), notBefore: sentAt });
    }
    this.#readAt = sentAt;
    return answer;
  }

  #see(id: string, index: number, notBefore: number | null): void {
    if (this.#sightings.get(id)?.index === index) return;
    this.#sightings.set(id, { index, seenAt: this.#clock(), notBefore });
  }
}

export class ObserverLedger implements Ledger<Observed, Observed> {
  readonly at: Moment;
  readonly written = new Set<string>();
  readonly #index: number;
  readonly #leases = new Map<string, Observed>();
  readonly #ended: Map<string, EndRecord>;
  readonly #events: { readonly type: LeaseEventType; readonly id: string }[];
  readonly #fault: Fault;
  #token: number;

  constructor(picture: Journal, sightings: ReadonlyMap<string, Sighting>, now: number, fault: Fault) {
    this.#fault = fault;
    this.at = { now, wallNow: 0 };
    this.#index = picture.index;
    this.#token = picture.token;
    this.#ended = new Map(picture.ended);
    this.#events = [...picture.events];
    for (const [id, { record, livesMs }] of picture.leases) {
      this.#leases.set(id, { ...record, livesMs, sighting: sightings.get(id) as Sighting });
    }
  }

  get wrote(): boolean {
    return this.written.size > 0;
  }

  /** What is written if nothing was written since the picture. */
  state(): Journal {
    const index = this.#index + 1;
    const leases = new Map<string, Version>();
    for (const [id, { livesMs, sighting, ...record }] of this.#leases) {
      leases.set(id, { record, livesMs, index: this.written.has(id) ? index : sighting.index });
    }
    return { index, token: this.#token, leases, ended: this.#ended, events: this.#events };
  }

  lease(id: string): Observed | undefined {
    return this.#leases.get(id);
  }

  ended(id: string): EndRecord | undefined {
    return this.#ended.get(id);
  }

  rivals(claims: readonly Claim[]): readonly Observed[] {
    return [...this.#leases.values()]
      .filter((lease) => firstConflict(claims, lease.claims))
      .sort((a, b) => a.token - b.token);
  }

  read(lease: Observed): Observed {
    return lease;
  }

  isOver(lease: Observed): boolean {
    return this.blocksMs(lease) <= 0;
  }

  blocksMs({ livesMs, sighting }: Observed): number {
    const from =
      this.#fault === "one expiry for all" ? (sighting.notBefore ?? sighting.seenAt) : sighting.seenAt;
    return from + livesMs - this.at.now;
  }

  holdsMs({ livesMs, sighting }: Observed): number {
    const from =
      this.#fault === "newcomer guesses" ? (sighting.notBefore ?? sighting.seenAt) : sighting.notBefore;
    return from === null ? 0 : Math.max(0, from + livesMs - this.at.now);
  }

  nextToken(): number {
    this.#token += 1;
    return this.#token;
  }

  insert(record: LeaseRecord, forMs: number): Observed {
    const lease = { ...record, livesMs: forMs, sighting: this.#written(record.id) };
    this.#leases.set(record.id, lease);
    return lease;
  }

  extend(lease: Observed, forMs: number): void {
    lease.livesMs = forMs;
    lease.sighting = this.#written(lease.id);
  }

  save(lease: Observed, forMs: number = this.blocksMs(lease)): void {
    this.extend(lease, forMs);
  }

  remove(lease: Observed): void {
    this.#leases.delete(lease.id);
    this.written.add(lease.id);
  }

  bury(id: string, end: EndRecord): void {
    this.#ended.set(id, end);
    this.written.add(id);
  }

  record(type: LeaseEventType, lease: Observed, _act: Act): void {
    this.#events.push({ type, id: lease.id });
  }

  /** Of a version that this step writes: its time counts from before it was sent. */
  #written(id: string): Sighting {
    this.written.add(id);
    return { index: this.#index + 1, seenAt: this.at.now, notBefore: this.at.now };
  }
}
