/** A process that holds leases with core's manager, and the code in it that uses them. */
import { isLeaseError, type LeaseHandle, type LeaseManager, type TryAcquireResult } from "@lease/core";
import type { AcquireRequest } from "@lease/core/backend";
import type { Ask, Caller, Hold } from "./ask.js";
import type { Checks } from "./checks.js";
import type { Journal } from "./journal.js";
import { type Machine, Process } from "./machine.js";
import { type AcquireWatch, Network } from "./network.js";
import type { AgentPlan, AskPlan, Plan, UsePlan, UseStep } from "./plan.js";
import type { Random } from "./random.js";
import type { Receiver } from "./receiver.js";
import type { Store } from "./store.js";
import type { Subject } from "./subject.js";

export interface AgentParts {
  readonly plan: Plan;
  readonly agentPlan: AgentPlan;
  readonly machine: Machine;
  readonly subject: Subject;
  readonly random: Random;
  readonly journal: Journal;
  readonly store: Store;
  readonly receiver: Receiver;
  readonly checks: Checks;
}

export class Agent implements AcquireWatch, Caller {
  readonly agentId: string;
  readonly process: Process;
  readonly network: Network;
  readonly asks = new Map<number, Ask>();
  readonly holds = new Set<Hold>();
  manager: LeaseManager;
  readonly #parts: AgentParts;

  constructor(parts: AgentParts) {
    this.#parts = parts;
    this.agentId = parts.agentPlan.agentId;
    this.process = new Process(parts.machine);
    this.network = new Network({ ...parts, process: this.process, agentId: this.agentId, watch: this });
    this.manager = this.#newManager();
  }

  /** Asks, and uses what it is granted. Never rejects. */
  async ask(plan: AskPlan, parent: Hold | null = null): Promise<void> {
    const { checks } = this.#parts;
    const ask = checks.newAsk(this, plan, parent);
    this.asks.set(ask.number, ask);
    const { abort } = plan;
    if (abort !== null && "after" in abort) this.process.schedule(abort.after, () => this.abort(ask));
    try {
      if (plan.how === "with" && parent === null) {
        await this.manager.withLease(plan.claims, this.#options(ask), (lease) => this.#use(ask, lease));
        checks.onProtected(ask);
      } else {
        const lease = await this.#acquire(ask);
        if (lease !== null) await this.#use(ask, lease);
      }
    } catch (error) {
      if (ask.outcome === null) checks.onRejected(ask, error);
      else checks.onLossThrown(ask, error);
    }
  }

  abort(ask: Ask): void {
    if (ask.outcome !== null) return;
    this.#parts.journal.note(this.agentId, () => `the caller of ask ${ask.number} aborts`);
    this.#parts.journal.count("abort");
    ask.abortedAt ??= this.process.ranMs();
    ask.abort.abort(new Error("The caller gave up."));
  }

  async release(hold: Hold): Promise<void> {
    const outcome = await hold.handle.release();
    this.#parts.journal.note(this.agentId, () => `released ask ${hold.ask.number}: ${outcome}`);
  }

  /** Drains for up to `drainMs`, closes, and begins anew. Never rejects. */
  async close(drainMs: number, withinMs: number): Promise<void> {
    const { checks } = this.#parts;
    const { manager } = this;
    if (drainMs > 0) {
      const patience = new AbortController();
      this.process.schedule(drainMs, () => patience.abort());
      await manager.drain({ signal: patience.signal });
    }
    await checks.closing(this, withinMs, () => manager.close({ withinMs }));
    if (this.manager === manager) this.manager = this.#newManager();
  }

  crash(): void {
    for (const ask of this.asks.values()) ask.outcome ??= "crashed";
    this.#parts.checks.onCrash(this);
    this.process.kill();
  }

  onSend(request: AcquireRequest): void {
    const ask = this.#askOf(request);
    if (ask !== undefined) this.#parts.checks.onSend(request.id, ask);
  }

  onDouble(request: AcquireRequest): void {
    const ask = this.#askOf(request);
    if (ask !== undefined) ask.isDoubled = true;
  }

  onAnswer(request: AcquireRequest, settle: () => void): void {
    const ask = this.#askOf(request);
    const turns = ask === undefined ? null : turnsUntilAbort(ask);
    if (ask !== undefined && turns === -1) this.abort(ask);
    settle();
    if (ask !== undefined && turns !== null && turns >= 0) {
      void afterTurns(turns).then(() => this.abort(ask));
    }
  }

  #askOf({ metadata }: AcquireRequest): Ask | undefined {
    return this.asks.get(metadata?.ask as number);
  }

  #newManager(): LeaseManager {
    const { plan, agentPlan, subject, random, checks } = this.#parts;
    const { agentId, followLosses, sequential } = agentPlan;
    const manager = subject.createLeaseManager({
      backend: this.network.backend,
      agentId,
      followLosses,
      sequential,
      clock: this.process.clock(plan.hasBootClock),
      random: () => random.next(),
    });
    manager.observe((event) => checks.onManagerEvent(this, event));
    return manager;
  }

  #options(ask: Ask) {
    const { waitMs, ...settings } = this.#settings(ask);
    return { ...settings, waitMs };
  }

  #settings({ plan, number, abort }: Ask) {
    return {
      ttlMs: plan.ttlMs,
      waitMs: plan.waitMs,
      waitTtlMs: plan.waitTtlMs,
      autoRenew: plan.autoRenew,
      maxRenewals: plan.maxRenewals ?? undefined,
      maxHoldMs: plan.maxHoldMs ?? undefined,
      metadata: { ask: number },
      signal: abort.signal,
    };
  }

  async #acquire(ask: Ask): Promise<LeaseHandle | null> {
    const { plan, parent } = ask;
    if (parent !== null) return await parent.handle.acquire(plan.claims, this.#options(ask));
    if (plan.how !== "try") return await this.manager.acquire(plan.claims, this.#options(ask));
    const { waitMs, ...settings } = this.#settings(ask);
    const result: TryAcquireResult = await this.manager.tryAcquire(plan.claims, settings);
    if (result.granted) return result.lease;
    this.#parts.checks.onRefused(ask);
    return null;
  }

  async #use(ask: Ask, handle: LeaseHandle): Promise<void> {
    const hold = this.#parts.checks.onGranted(ask, handle);
    this.holds.add(hold);
    const { steps, releases, yields }: UsePlan = ask.plan.use;
    const over = new AbortController();
    handle.signal.addEventListener("abort", () => over.abort());
    if (yields) handle.onRevokeRequested(() => over.abort());
    for (const step of steps) {
      if (over.signal.aborted) break;
      await this.#step(hold, step, over.signal);
    }
    if (releases && ask.plan.how !== "with") await this.release(hold);
    this.holds.delete(hold);
  }

  async #step(hold: Hold, step: UseStep, over: AbortSignal): Promise<void> {
    switch (step.do) {
      case "work":
        return await this.#sleep(step.ms, over);
      case "write":
        return this.#write(hold, step.slow);
      case "nest":
        return await this.ask(step.ask, hold);
      case "renew":
        this.#parts.journal.count("renew");
        await hold.handle.renew(step.ttlMs === null ? {} : { ttlMs: step.ttlMs }).catch((error: unknown) => {
          if (!isLeaseError(error)) this.#parts.journal.violation("errors", `renew rejects with ${error}`);
        });
    }
  }

  /** Reads, and writes what it read and one more; slowly: each by a message of its own. */
  #write(hold: Hold, slow: boolean): void {
    const { receiver, checks } = this.#parts;
    const { handle } = hold;
    if (!checks.isHeld(hold)) return;
    for (const { resource, mode } of handle.claims) {
      const fence = { token: handle.token, mode };
      const thing = resource === "**" ? "a" : resource.replace("**", "x");
      if (!slow) {
        const value = receiver.read(thing, fence);
        if (value === null) checks.onFenced(hold, thing);
        else receiver.write(thing, fence, value);
        continue;
      }
      this.network.send(() => {
        const value = receiver.read(thing, fence);
        if (value === null) return;
        let isDone = false;
        this.network.send(() => {
          if (!isDone) receiver.write(thing, fence, value);
          isDone = true;
        });
      });
    }
  }

  #sleep(ms: number, over: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        over.removeEventListener("abort", end);
        resolve();
      };
      const cancel = this.process.schedule(ms, end);
      over.addEventListener("abort", end);
    });
  }
}

/** Counts an answer to an ask; how many microtasks after this one its caller aborts (-1: before it), if it does. */
function turnsUntilAbort(ask: Ask): number | null {
  const { abort } = ask.plan;
  ask.answers += 1;
  return abort !== null && "answer" in abort && ask.answers === abort.answer ? abort.turns : null;
}

/** So many turns of the microtask queue later: between two lines of whatever runs. */
async function afterTurns(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await undefined;
}
