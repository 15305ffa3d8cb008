/** What must hold in every run, whatever happens in it. */
import { DEFAULTS, isLeaseError, type LeaseHandle, type ManagerEvent } from "@lease/core";
import { firstConflict } from "@lease/core/backend";
import { type Ask, type Caller, chainOf, type Hold } from "./ask.js";
import { circlesOf } from "./circles.js";
import type { Journal } from "./journal.js";
import { CALL_MS } from "./network.js";
import { type AskPlan, MAX_TTL_MS } from "./plan.js";
import type { Simulation } from "./simulation.js";
import type { Store } from "./store.js";
import { claimsInWords } from "./words.js";

/** Where messages get through at once, answers are there by then. */
const PROMPT_MS = 100;
/**
 * Beyond its `waitMs` an acquire takes at most: the call under way when that is over, two looks for deadlocks of two
 * calls, the last ask, the pauses between tries, and the time in which a deadlocked request is taken back.
 */
const OVERTIME_MS = 8 * CALL_MS + 2 * 2_000 + MAX_TTL_MS;

export class Checks {
  readonly #simulation: Simulation;
  readonly #store: Store;
  readonly #journal: Journal;
  readonly #asks: Ask[] = [];
  readonly #askOfId = new Map<string, Ask>();
  readonly #idOfToken = new Map<number, string>();
  readonly #holds = new Map<string, Hold>();
  /** Held leases that conflict: at most one of each pair may be believed. */
  #pairs: (readonly [Hold, Hold])[] = [];
  readonly #hardRevoked = new Set<string>();
  /** Looked at once all promises have settled. */
  #later: (() => void)[] = [];
  /** Waiters that could be granted, circles of waits by their members, leases that nobody has. */
  readonly #free = new Lasting();
  readonly #circles = new Lasting();
  readonly #orphans = new Lasting();
  /** From then on nothing that went wrong before keeps a manager from anything. */
  quietFrom = Number.POSITIVE_INFINITY;

  constructor(simulation: Simulation, store: Store, journal: Journal) {
    this.#simulation = simulation;
    this.#store = store;
    this.#journal = journal;
  }

  newAsk(caller: Caller, plan: AskPlan, parent: Hold | null): Ask {
    const ask: Ask = {
      number: this.#asks.length + 1,
      caller,
      manager: caller.manager,
      plan,
      parent,
      startedAt: this.#simulation.now,
      ranAt: caller.process.ranMs(),
      abort: new AbortController(),
      abortedAt: null,
      ids: new Set(),
      answers: 0,
      isDoubled: false,
      outcome: null,
      hold: null,
    };
    this.#asks.push(ask);
    if (plan.maxHoldMs !== null || plan.maxRenewals !== null) this.#journal.count("limits");
    if (parent !== null) this.#journal.count(chainOf(parent).length > 1 ? "nested deeper" : "nested");
    this.#journal.note(caller.agentId, () => {
      const { how, claims, use: _, abort, ...times } = plan;
      const said = Object.entries({ ...times, abort: abort && JSON.stringify(abort) })
        .filter(([, value]) => value !== null)
        .map(([name, value]) => `${name} ${value}`);
      const under = parent === null ? "" : ` under ask ${parent.ask.number}`;
      return `ask ${ask.number}${under}: ${how} ${claimsInWords(claims)}, ${said.join(", ")}`;
    });
    return ask;
  }

  onSend(id: string, ask: Ask): void {
    ask.ids.add(id);
    this.#askOfId.set(id, ask);
  }

  onGranted(ask: Ask, handle: LeaseHandle): Hold {
    this.#end(ask, "granted");
    const { parent, number } = ask;
    if (parent !== null && (parent.handle.state === "lost" || parent.handle.state === "ended")) {
      this.#journal.violation(
        "nested",
        `ask ${number} was granted under a lease that is ${parent.handle.state}`,
      );
    }
    const other = this.#idOfToken.get(handle.token);
    if (other !== undefined && other !== handle.id) {
      this.#journal.violation("tokens", `${handle.id} and ${other} both have the token ${handle.token}`);
    }
    this.#idOfToken.set(handle.token, handle.id);
    return ask.hold ?? this.#hold(ask.caller, handle);
  }

  onRefused(ask: Ask): void {
    this.#end(ask, "refused");
    this.#leavesNothing(ask);
  }

  onRejected(ask: Ask, error: unknown): void {
    if (isLeaseError(error)) {
      this.#end(ask, error.code);
    } else if (ask.abort.signal.aborted && error === ask.abort.signal.reason) {
      this.#end(ask, "aborted");
    } else {
      this.#end(ask, "error");
      this.#journal.violation("errors", `ask ${ask.number} rejects with ${(error as Error).stack ?? error}`);
    }
    this.#leavesNothing(ask);
  }

  /** `withLease` rejects with why its lease was lost. */
  onLossThrown(ask: Ask, error: unknown): void {
    if (!isLeaseError(error, "LEASE_LOST", "LEASE_RENEWAL_LIMIT", "CLOSED")) {
      this.#journal.violation(
        "errors",
        `the use of ask ${ask.number} ends with ${(error as Error).stack ?? error}`,
      );
    }
  }

  /** `withLease` says that all of the work was protected. */
  onProtected(ask: Ask): void {
    const [id] = [...ask.ids].slice(-1);
    if (id === undefined || this.#hardRevoked.has(id)) return;
    this.#journal.count("protected");
  }

  onManagerEvent(caller: Caller, event: ManagerEvent): void {
    if (event.type === "granted") this.#hold(caller, event.lease);
    if (event.type === "renewed") this.#journal.count("renewal");
    if (event.type !== "ended") return;
    const hold = this.#holds.get(event.lease.id);
    this.#forget(event.lease.id);
    if (event.loss === null || hold === undefined) return;
    const { loss } = event;
    const how = isLeaseError(loss, "LEASE_LOST") ? loss.details.how : "renewal-limit";
    this.#journal.count(`loss: ${how}`);
    this.#journal.note(caller.agentId, () => `ask ${hold.ask.number} is lost: ${how}`);
    this.#lostQuietly(hold, how);
  }

  onCrash(caller: Caller): void {
    for (const [id, hold] of this.#holds) if (hold.ask.caller === caller) this.#forget(id);
  }

  onHardRevoke(id: string): void {
    this.#hardRevoked.add(id);
  }

  /** A grant of the store, to whatever copy of an acquire. */
  onServed(id: string, state: string): void {
    const ask = this.#askOfId.get(id);
    if (ask === undefined || ask.isDoubled || state !== "granted") return;
    if (ask.outcome === "LEASE_UNAVAILABLE" || ask.outcome === "refused") {
      this.#journal.violation("given up", `${id} is active after its caller was told ${ask.outcome}`);
    }
  }

  isHeld(hold: Hold): boolean {
    const { ask, handle, takenAt } = hold;
    const isHeld = handle.isHeld();
    const { maxHoldMs } = ask.plan;
    if (isHeld && maxHoldMs !== null && ask.caller.process.machine.now() - takenAt > maxHoldMs) {
      this.#journal.violation("max hold", `ask ${ask.number} is held for longer than ${maxHoldMs} ms`);
    }
    return isHeld;
  }

  onFenced({ ask, handle }: Hold, thing: string): void {
    if (this.#hardRevoked.has(handle.id)) return;
    this.#journal.violation(
      "fence",
      `ask ${ask.number} believes in token ${handle.token}, and ${thing} refuses it`,
    );
  }

  async closing(caller: Caller, withinMs: number, close: () => Promise<void>): Promise<void> {
    const ranAt = caller.process.ranMs();
    await close();
    const tookMs = caller.process.ranMs() - ranAt;
    if (tookMs > withinMs + 4 * CALL_MS) {
      this.#journal.violation("bounds", `close({ withinMs: ${withinMs} }) took ${tookMs} ms`);
    }
  }

  /** After each event, once all promises have settled. */
  afterEvent(): void {
    for (const [a, b] of this.#pairs) {
      if (!a.ask.caller.process.isRunning || !b.ask.caller.process.isRunning) continue;
      if (!a.handle.isHeld() || !b.handle.isHeld()) continue;
      const [first, second] = a.handle.token < b.handle.token ? [a, b] : [b, a];
      if (this.#hardRevoked.has(first.handle.id)) continue;
      this.#journal.violation(
        "two holders",
        `ask ${first.ask.number} (token ${first.handle.token}) and ask ${second.ask.number} (token ${second.handle.token}) believe at once`,
      );
    }
    const later = this.#later;
    this.#later = [];
    for (const look of later) look();
  }

  /** Now and then while nothing goes wrong any more: nobody waits for nothing, nor for a lease that nobody has. */
  look(): void {
    const { now } = this.#simulation;
    if (now < this.quietFrom) return;
    for (const id of this.#orphans.lasting(this.#orphanIds(), now)) {
      const ask = this.#askOfId.get(id);
      this.#journal.violation("left behind", `${id} of ask ${ask?.number}, which ended as ${ask?.outcome}`);
    }
    const waits = this.#store.picture.waits();
    const free = waits.filter(({ waiting, blockers }) => blockers.length === 0 && this.#isWanted(waiting.id));
    for (const id of this.#free.lasting(
      free.map(({ waiting }) => waiting.id),
      now,
    )) {
      this.#journal.violation("wakes", `ask ${this.#askOfId.get(id)?.number} waits for what is free`);
    }
    const circles = circlesOf(waits, (id) => this.#keptBy(id)).map((circle) => circle.join(" "));
    for (const circle of this.#circles.lasting(circles, now)) {
      this.#journal.violation("deadlock", `nobody was told of the circle of waits ${circle}`);
    }
  }

  /** Once all managers are closed, in quiet. */
  atEnd(): void {
    for (const ask of this.#asks) {
      if (ask.outcome === null) this.#journal.violation("bounds", `ask ${ask.number} is never answered`);
    }
    for (const { id, state, agentId } of this.#store.picture.live()) {
      this.#journal.violation(
        "left behind",
        `${state} ${id} of ${agentId}, ask ${this.#askOfId.get(id)?.number}`,
      );
    }
  }

  /** The handle is there before the caller of `acquire` has it. */
  #hold(caller: Caller, handle: LeaseHandle): Hold {
    const ask = this.#askOfId.get(handle.id);
    if (ask === undefined)
      throw new Error(`${handle.id} was granted to ${caller.agentId}, who never asked for it`);
    const hold = { ask, handle, takenAt: caller.process.machine.now() };
    for (const other of this.#holds.values()) {
      if (firstConflict(handle.claims, other.handle.claims) !== null) this.#pairs.push([other, hold]);
    }
    this.#holds.set(handle.id, hold);
    ask.hold = hold;
    return hold;
  }

  #forget(id: string): void {
    this.#holds.delete(id);
    if (this.#pairs.length === 0) return;
    this.#pairs = this.#pairs.filter((pair) => pair.every((hold) => hold.handle.id !== id));
  }

  #end(ask: Ask, outcome: string): void {
    ask.outcome = outcome;
    this.#journal.count(`outcome: ${outcome}`);
    const { caller, plan } = ask;
    this.#journal.note(caller.agentId, () => `ask ${ask.number}: ${outcome}`);
    const tookMs = caller.process.ranMs() - ask.ranAt;
    const mostMs = plan.waitMs + (this.#isClean(ask) ? PROMPT_MS : OVERTIME_MS);
    const { abortedAt } = ask;
    const leftMs = abortedAt === null ? 0 : caller.process.ranMs() - abortedAt;
    if (outcome === "aborted" && leftMs > DEFAULTS.leaveMs + PROMPT_MS) {
      this.#journal.violation("bounds", `ask ${ask.number} rejects ${leftMs} ms after its abort`);
    }
    if (tookMs > mostMs)
      this.#journal.violation("bounds", `ask ${ask.number} took ${tookMs} ms, at most ${mostMs} are right`);
  }

  /** Whether nothing went wrong with its process or the store since it began. */
  #isClean({ caller, startedAt }: Ask): boolean {
    return caller.network.troubledUntil < startedAt && this.#store.troubledUntil < startedAt;
  }

  /** A caller that was told no finds nothing of its request before it when it asks anew. */
  #leavesNothing(ask: Ask): void {
    this.#later.push(() => {
      if (!this.#isClean(ask)) return;
      for (const id of ask.ids) {
        const lease = this.#store.picture.get(id);
        if (lease === undefined) continue;
        this.#journal.violation(
          "given up",
          `ask ${ask.number} ended as ${ask.outcome}, and ${id} is ${lease.state}`,
        );
      }
    });
  }

  #lostQuietly({ ask, handle }: Hold, how: string): void {
    const { plan } = ask;
    if (this.#simulation.now < this.quietFrom || !plan.autoRenew) return;
    if (how === "max-hold" || how === "renewal-limit" || how === "revoked" || handle.lease.revoking !== null)
      return;
    this.#journal.violation("renewals", `ask ${ask.number} is lost as ${how} while all is quiet`);
  }

  /** Leases of requests that ended, and that their managers, which are still there, should have given back. */
  #orphanIds(): string[] {
    const live = this.#store.picture.live().map(({ id }) => id);
    return live.filter((id) => {
      const ask = this.#askOfId.get(id);
      if (ask === undefined || ask.outcome === null || ask.isDoubled || this.#holds.has(id)) return false;
      return !ask.caller.process.isDead && ask.caller.manager === ask.manager;
    });
  }

  /** Whether its caller is still there and waits. */
  #isWanted(id: string): boolean {
    const ask = this.#askOfId.get(id);
    return ask !== undefined && !ask.caller.process.isDead && ask.outcome === null;
  }

  /** What the caller of a pending request really keeps while it waits, whatever the request states. */
  #keptBy(id: string): readonly string[] {
    const ask = this.#askOfId.get(id);
    return ask === undefined || ask.caller.process.isDead
      ? []
      : chainOf(ask.parent).map(({ handle }) => handle.id);
  }
}

/** What may be there for a moment and must not last. */
class Lasting {
  #since = new Map<string, number>();

  /** Takes what is there now; of these, those that have been there at each look for longer than a moment. */
  lasting(present: readonly string[], now: number): string[] {
    this.#since = new Map(present.map((name) => [name, this.#since.get(name) ?? now]));
    return present.filter((name) => now - (this.#since.get(name) ?? now) > PROMPT_MS);
  }
}
