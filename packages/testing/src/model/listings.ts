/**
 * Listings that go on while the story does: the first page at once, one more after each action. At the end each must
 * lead, with all that the feed tells from its cursor on, to what is live.
 */
import { type Lease, type LeaseBackend, type LeaseEvent, type LeaseEventType, listAll } from "@lease/core";
import { type LeaseQuery, type MemoryStore, type Moment, matchesFilters } from "@lease/core/backend";
import { equal } from "../assert.js";
import { replay, standing } from "../replay.js";
import type { Comparison } from "./compare.js";

interface Listing {
  readonly what: string;
  readonly query: LeaseQuery;
  readonly cursor: string;
  readonly leases: Lease[];
  /** What the specification had told of before. */
  readonly told: number;
  next: string | null;
  modelNext: string | null;
}

/** Told by the step that makes them: what time alone ends may be told late, and renewals not at all. */
const TOLD_AT_ONCE: readonly LeaseEventType[] = ["queued", "acquired", "released", "cancelled"];

export class Listings {
  readonly #model: MemoryStore;
  readonly #comparison: Comparison;
  readonly #listings: Listing[] = [];

  constructor(model: MemoryStore, comparison: Comparison) {
    this.#model = model;
    this.#comparison = comparison;
  }

  async begin(query: LeaseQuery, backend: LeaseBackend, at: () => Moment, what: string): Promise<void> {
    const page = await backend.list(query);
    const expected = this.#model.begin(at()).list(query);
    this.#comparison.compare(page, expected, what);
    const told = this.#tellings(query);
    this.#listings.push({ ...page, what, query, told, modelNext: expected.next });
  }

  /** Reads a page of each that has one left. */
  async goOn(backend: LeaseBackend, at: () => Moment): Promise<void> {
    for (const listing of this.#listings) {
      if (listing.next === null || listing.modelNext === null) continue;
      const page = await backend.list({ ...listing.query, after: listing.next });
      const expected = this.#model.begin(at()).list({ ...listing.query, after: listing.modelNext });
      this.#comparison.compare(page, expected, `${listing.what}: a later page`);
      equal(page.cursor, listing.cursor, `${listing.what}: the cursor of a later page`);
      listing.leases.push(...page.leases);
      listing.next = page.next;
      listing.modelNext = expected.next;
    }
  }

  /** Once the history tells of everything. */
  async check(backend: LeaseBackend, at: () => Moment): Promise<void> {
    while (this.#listings.some(({ next }) => next !== null)) await this.goOn(backend, at);
    for (const { what, query, cursor, leases, told } of this.#listings) {
      const { agentId, resource } = query;
      const events: LeaseEvent[] = [];
      for await (const event of backend.changes({ after: cursor, agentId, resource })) events.push(event);
      equal(countOf(events), this.#tellings(query) - told, `${what}: transitions told after its cursor`);
      const live = await listAll(backend, { agentId, resource });
      equal(standing(replay(leases, events)), standing(live), `${what}: with what was told after its cursor`);
    }
  }

  #tellings(query: LeaseQuery): number {
    const all = this.#model.eventsAfter(0, Number.MAX_SAFE_INTEGER).map(({ event }) => event);
    return countOf(all.filter(({ lease }) => matchesFilters(lease, query)));
  }
}

function countOf(events: readonly LeaseEvent[]): number {
  return events.filter(({ type }) => TOLD_AT_ONCE.includes(type)).length;
}
