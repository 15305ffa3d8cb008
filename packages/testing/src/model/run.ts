/** Runs a plan on a backend and on the specification side by side, and compares every answer. */
import { type Lease, type LeaseBackend, LeaseError, type LeaseEvent, MAX, systemClock } from "@lease/core";
import { blockersOf, conflicts, MemoryStore, type Moment } from "@lease/core/backend";
import { CheckFailed, check, equal } from "../assert.js";
import { auditFeed } from "../audit.js";
import { CaseTime } from "../conformance/time.js";
import { CallLog } from "../oracle/call-log.js";
import { checkAllowed } from "../oracle/check-allowed.js";
import type { ConformanceStore } from "../store.js";
import { Comparison } from "./compare.js";
import { Listings } from "./listings.js";
import { agentId, id, Phrases, STALL_MS } from "./phrases.js";
import { type Action, CLIENTS, type Plan, type RenewStep, type Slot } from "./plan.js";
import { countOf, stories } from "./story.js";

const LATER = 2 ** 31;

export class ModelRun {
  readonly #plan: Plan;
  readonly #store: ConformanceStore;
  readonly #clients: readonly LeaseBackend[];
  readonly #time: CaseTime;
  readonly #phrases: Phrases;
  readonly #comparison: Comparison;
  /** An id is remembered for ever here, so a run must end before a backend may forget. */
  readonly #model = new MemoryStore({ epoch: "model", endMemoryMs: Number.MAX_SAFE_INTEGER });
  readonly #listings: Listings;
  readonly #startedAt: number;
  readonly #sweptOnce = new Set<string>();

  private constructor(plan: Plan, store: ConformanceStore, clients: readonly LeaseBackend[]) {
    const { limits } = clients[0] as LeaseBackend;
    const simulated = store.clock !== undefined;
    this.#plan = plan;
    this.#store = store;
    this.#clients = clients;
    this.#time = new CaseTime(store.clock, limits);
    this.#phrases = new Phrases(plan, limits, simulated);
    this.#comparison = new Comparison({
      durationMs: simulated ? 0 : STALL_MS + limits.expirySlackMs + limits.ttlStepMs,
      ttlStepMs: limits.ttlStepMs,
      isUncounted: limits.renewals === "uncounted",
    });
    this.#listings = new Listings(this.#model, this.#comparison);
    this.#startedAt = this.#time.now();
  }

  static async run(plan: Plan, store: ConformanceStore): Promise<void> {
    const clients: LeaseBackend[] = [];
    const log = new CallLog(store.clock ?? systemClock);
    try {
      for (let index = 0; index < CLIENTS; index += 1) {
        clients.push(log.recorded(await store.open(), `client-${index}`));
      }
      const run = new ModelRun(plan, store, clients);
      for (const [index, action] of plan.actions.entries()) {
        await run.#step(action, client(clients, action.client), `action ${index} (${action.do})`);
        await run.#listings.goOn(client(clients, action.client + 1), run.#moment);
        await run.#checkStanding(
          client(clients, action.client + index),
          `after action ${index} (${action.do})`,
        );
      }
      await run.#checkHistory(client(clients, 0));
      checkAllowed(log.calls, client(clients, 0).limits, "the whole plan");
    } finally {
      for (const each of clients) await each.close();
      await store.close();
    }
  }

  async #step(action: Action, backend: LeaseBackend, what: string): Promise<void> {
    switch (action.do) {
      case "acquire": {
        if (this.#isSpent(action.slot)) return;
        const request = this.#phrases.acquire(action);
        await this.#same(
          what,
          () => backend.acquire(request),
          (at) => this.#model.begin(at).steps.acquire(request),
        );
        if (action.waitTtl === "short" || this.#slot(action.slot).ttl === "short") await this.#letShortEnd();
        return;
      }
      case "renew": {
        const phrase = (theirs: boolean) =>
          action.steps.map((step) =>
            this.#phrases.renew(step, this.#token(step, theirs), this.#live(step.slot)?.renewals ?? 0),
          );
        const [requests, ours] = [phrase(true), phrase(false)];
        const askModel = (at: Moment) => ours.map((one) => this.#model.begin(at).steps.renew(one));
        return await this.#same(what, () => backend.renew(requests), askModel);
      }
      case "release": {
        const phrase = (theirs: boolean) =>
          action.steps.map((step) => this.#phrases.release(step, this.#token(step, theirs)));
        const [requests, ours] = [phrase(true), phrase(false)];
        const askModel = (at: Moment) => ours.map((one) => this.#model.begin(at).steps.release(one));
        await this.#same(what, () => backend.release(requests), askModel);
        if (action.steps.some((step) => step.kind === "soft revoke" && step.grace === "short"))
          await this.#letShortEnd();
        return;
      }
      case "list": {
        const query = {
          limit: action.limit,
          agentId: action.agent === null ? undefined : agentId(action.agent),
          resource: action.resource ?? undefined,
        };
        return await this.#listings.begin(query, backend, this.#moment, what);
      }
      case "turn":
        return await this.#turn(action.slot, backend, what);
      case "sweep": {
        const { expired } = await backend.sweep(action.limit === null ? {} : { limit: action.limit });
        if (action.limit !== null) check(expired.length <= action.limit, `${what}: not more than its limit`);
        this.#model.begin(this.#moment()).sweep({});
        for (const lease of expired) await this.#checkSwept(lease, what);
        return;
      }
      case "pass": {
        const left =
          (this.#clients[0] as LeaseBackend).limits.endMemoryMs - (this.#time.now() - this.#startedAt);
        if (action.ms < left - 1) await this.#time.pass(action.ms);
      }
    }
  }

  /** Both answers, or both errors. */
  async #same(what: string, ask: () => Promise<unknown>, askModel: (at: Moment) => unknown): Promise<void> {
    const actual = await outcomeOf(ask);
    const expected = await outcomeOf(async () => askModel(this.#moment()));
    this.#comparison.compare(actual, expected, what);
  }

  /** Who can be granted is woken; who cannot, ends at its timeout. */
  async #turn(slot: number, backend: LeaseBackend, what: string): Promise<void> {
    const { reached } = this.#model.begin(this.#moment()).steps.turn(id(slot));
    const timeoutMs = reached ? LATER : 0;
    await this.#time.settles(backend.turn({ id: id(slot), timeoutMs }), `${what}: turn of ${id(slot)} ends`);
  }

  /** After every step: what is live is the same, and by itself it keeps the rule. */
  async #checkStanding(backend: LeaseBackend, what: string): Promise<void> {
    const actual = await backend.list({ limit: MAX.page });
    this.#comparison.compare(actual, this.#model.begin(this.#moment()).list({ limit: MAX.page }), what);
    const { leases } = actual;
    equal(new Set(leases.map(({ token }) => token)).size, leases.length, `${what}: different tokens`);
    const active = leases.filter(({ state }) => state === "active");
    for (const [index, one] of active.entries()) {
      for (const two of active.slice(index + 1)) {
        const clash = one.claims.some((a) => two.claims.some((b) => conflicts(a, b)));
        check(!clash, `${what}: ${one.id} and ${two.id} conflict, and both are active`);
      }
    }
    for (const lease of active) {
      const blockers = blockersOf(lease, leases);
      check(blockers.length === 0, `${what}: ${lease.id} holds past ${blockers[0]?.id}, which came first`);
    }
  }

  /** At the end: every lease has the same story, and the whole feed keeps the promises. */
  async #checkHistory(backend: LeaseBackend): Promise<void> {
    await backend.sweep({});
    this.#model.begin(this.#moment()).sweep({});
    const recordsRenewals = backend.limits.renewals === "recorded";
    const expected = stories(
      this.#model.eventsAfter(0, LATER).map(({ event }) => event),
      recordsRenewals,
    );
    const actual = await this.#time.until(async () => {
      const events: LeaseEvent[] = [];
      for await (const event of backend.changes({})) events.push(event);
      auditFeed(events);
      const told = stories(events, true);
      // A store that ends leases by itself may be a moment late with the record.
      return countOf(told) >= countOf(expected) ? told : undefined;
    }, "the history tells of everything");
    for (const slot of this.#plan.slots.keys()) {
      this.#comparison.compare(
        actual.get(id(slot)) ?? [],
        expected.get(id(slot)) ?? [],
        `the story of ${id(slot)}`,
      );
    }
    await this.#listings.check(backend, this.#moment);
  }

  #checkSwept(lease: Lease, what: string): void {
    check(!this.#sweptOnce.has(lease.id), `${what}: ${lease.id} was swept before`);
    this.#sweptOnce.add(lease.id);
    const last = this.#eventsOf(lease.id).at(-1);
    this.#comparison.compare(lease, last?.lease, `${what}: ${lease.id} as it was swept`);
  }

  #eventsOf(leaseId: string): LeaseEvent[] {
    return this.#model
      .eventsAfter(0, LATER)
      .map(({ event }) => event)
      .filter((event) => event.lease.id === leaseId);
  }

  /** In real time nobody knows whether what is about to end has ended: so it is over before the next action. */
  async #letShortEnd(): Promise<void> {
    if (this.#store.clock !== undefined) return;
    const { expirySlackMs } = (this.#clients[0] as LeaseBackend).limits;
    await this.#time.pass(this.#phrases.spans.short + expirySlackMs + 5);
  }

  /** A released id may be forgotten at once: asking for it again would be a caller's mistake, of no certain answer. */
  #isSpent(slot: number): boolean {
    const end = this.#eventsOf(id(slot)).at(-1)?.type;
    if (end !== "released" && end !== "cancelled") return false;
    const ask = { slot, wait: "queue", waitTtl: "long", byStranger: false, otherClaims: false } as const;
    const request = this.#phrases.acquire(ask);
    try {
      return this.#model.clone().begin(this.#moment()).steps.acquire(request).status !== "ended";
    } catch {
      // Abandoned by a stranger after its end: that is remembered, and certain.
      return false;
    }
  }

  /** The token that a caller gives, as the backend or as the specification minted it. */
  #token(step: Pick<RenewStep, "slot" | "token">, theirs: boolean): number | undefined {
    if (step.token === "none") return undefined;
    const minted = this.#eventsOf(id(step.slot)).at(-1)?.lease.token;
    const known = minted === undefined || !theirs ? minted : this.#comparison.tokenOf(minted);
    if (known === undefined) return step.token === "right" ? undefined : 1;
    return step.token === "right" ? known : known + 1;
  }

  #live(slot: number): Lease | undefined {
    return this.#model.begin(this.#moment()).list({ ids: [id(slot)] }).leases[0];
  }

  #slot(index: number): Slot {
    return this.#plan.slots[index] as Slot;
  }

  readonly #moment = (): Moment => {
    const now = Math.floor(this.#time.now());
    return { now, wallNow: now };
  };
}

function client(clients: readonly LeaseBackend[], index: number): LeaseBackend {
  return clients[index % clients.length] as LeaseBackend;
}

async function outcomeOf(ask: () => Promise<unknown>): Promise<unknown> {
  try {
    return { answer: await ask() };
  } catch (error) {
    if (error instanceof CheckFailed || !(error instanceof LeaseError)) throw error;
    return { error: error.code };
  }
}
