/** One seed: its plan, carried out on a store, machines, networks and managers of its own, and watched. */
import { DEFAULTS } from "@lease/core";
import { judge } from "@lease/testing";
import { Agent } from "./agent.js";
import { Checks } from "./checks.js";
import { Journal, type Violation } from "./journal.js";
import type { Kind } from "./kinds.js";
import { Machine } from "./machine.js";
import { CALL_MS, LATEST_MS } from "./network.js";
import { type Act, LONGEST_MS, MAX_TTL_MS, type Plan, planOf } from "./plan.js";
import { Random } from "./random.js";
import { Receiver } from "./receiver.js";
import { Simulation, settled } from "./simulation.js";
import { Store } from "./store.js";
import { CORE, type Subject } from "./subject.js";

export interface RunOptions {
  readonly only?: readonly Kind[] | undefined;
  readonly isTraced?: boolean;
  readonly subject?: Subject;
}

export interface Run {
  readonly seed: number;
  readonly events: number;
  readonly counts: ReadonlyMap<string, number>;
  readonly violations: readonly Violation[];
  readonly trace: readonly string[];
  /** Answers of the store that the oracle judged, and could not judge. */
  readonly judged: number;
  readonly unjudged: number;
}

/** After that long in the calm the last copy of a message arrived, and what it began has run out. */
const CALM_MS = LATEST_MS + MAX_TTL_MS + 500;
/** After that long the calls under way are over, the longest pause after them too, and the next tries are answered. */
const QUIET_AFTER_MS = CALL_MS + DEFAULTS.retryMostMs + 100;
const LOOK_EVERY_MS = 50;
const CLOSE_MS = 20_000;

export async function runSeed(seed: number, options: RunOptions = {}): Promise<Run> {
  const world = new World(planOf(seed, options.only), options.subject ?? CORE, options.isTraced === true);
  return await world.run();
}

class World {
  readonly #plan: Plan;
  readonly #simulation = new Simulation();
  readonly #random: Random;
  readonly #journal: Journal;
  readonly #store: Store;
  readonly #receiver: Receiver;
  readonly #checks: Checks;
  readonly #machines: readonly Machine[];
  readonly #subject: Subject;
  readonly #agents: Agent[];
  readonly #everyAgent: Agent[] = [];
  #isCalm = false;

  constructor(plan: Plan, subject: Subject, isTraced: boolean) {
    this.#plan = plan;
    this.#subject = subject;
    this.#random = new Random(plan.seed ^ 0x5eed);
    this.#journal = new Journal(this.#simulation, isTraced);
    this.#store = new Store(this.#simulation, plan, subject, this.#journal, (id, state) =>
      this.#checks.onServed(id, state),
    );
    this.#receiver = new Receiver(subject, this.#journal);
    this.#checks = new Checks(this.#simulation, this.#store, this.#journal);
    this.#machines = plan.machines.map(
      ({ rate, startedMs }) => new Machine(this.#simulation, rate, startedMs),
    );
    this.#agents = plan.agents.map((_, index) => this.#newAgent(index));
  }

  async run(): Promise<Run> {
    const others = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    process.on("unhandledRejection", (error) => {
      this.#journal.violation("errors", `unhandled: ${(error as Error | undefined)?.stack ?? error}`);
    });
    try {
      await this.#live();
      // An unhandled rejection is told after the microtasks.
      await settled();
    } finally {
      process.removeAllListeners("unhandledRejection");
      for (const other of others) process.on("unhandledRejection", other);
      this.#store.close();
    }
    const { seed } = this.#plan;
    const { counts, violations, trace } = this.#journal;
    const verdict = judge(this.#store.log.calls, this.#store.backend.limits);
    for (const { kind, why } of verdict.violations) this.#journal.violation("oracle", `${kind}: ${why}`);
    const { judged, unjudged } = verdict;
    return {
      seed,
      events: this.#simulation.events,
      counts,
      violations,
      trace: trace ?? [],
      judged,
      unjudged,
    };
  }

  async #live(): Promise<void> {
    const { acts, wildMs, kinds } = this.#plan;
    if (kinds.has("drift")) this.#journal.count("drift");
    for (const { at, ...act } of acts) this.#simulation.after(at, () => this.#act(act as Act));
    await this.#runFor(wildMs);

    this.#calm();
    this.#checks.quietFrom = this.#simulation.now + QUIET_AFTER_MS;
    for (let left = CALM_MS; left > 0 && !this.#isOver(); left -= LOOK_EVERY_MS) {
      await this.#runFor(LOOK_EVERY_MS);
      this.#checks.look();
    }
    if (this.#isOver()) return;

    let isClosed = false;
    void Promise.all(this.#agents.map((agent) => agent.manager.close())).then(() => {
      isClosed = true;
    });
    const until = this.#simulation.now + CLOSE_MS;
    await this.#simulation.runUntil(until, () => isClosed || this.#isOver());
    if (!isClosed) this.#journal.violation("bounds", "the managers do not close");
    this.#checks.atEnd();
    await this.#store.check();
    for (const { process, agentId } of this.#agents) {
      if (process.timers > 0)
        this.#journal.violation("left behind", `${process.timers} timers of ${agentId}`);
    }
  }

  async #runFor(ms: number): Promise<void> {
    if (this.#isOver()) return;
    await this.#simulation.runUntil(this.#simulation.now + ms, () => {
      this.#checks.afterEvent();
      return this.#isOver();
    });
  }

  #isOver(): boolean {
    return this.#journal.violations.length > 0;
  }

  /** All that is away comes back, and nothing goes wrong any more. */
  #calm(): void {
    this.#journal.note("world", () => "calm");
    this.#isCalm = true;
    this.#store.process.continue();
    for (const agent of this.#agents) {
      agent.network.isCalm = true;
      agent.process.continue();
    }
    for (const machine of this.#machines) machine.wake();
  }

  #newAgent(index: number): Agent {
    const agentPlan = this.#plan.agents[index] as Plan["agents"][number];
    const agent = new Agent({
      plan: this.#plan,
      agentPlan,
      machine: this.#machines[agentPlan.machine] as Machine,
      subject: this.#subject,
      random: this.#random,
      journal: this.#journal,
      store: this.#store,
      receiver: this.#receiver,
      checks: this.#checks,
    });
    agent.network.isCalm = this.#isCalm;
    this.#everyAgent.push(agent);
    return agent;
  }

  #act(act: Act): void {
    if (act.do !== "ask") {
      this.#journal.count(nameOf(act));
      this.#journal.note("world", () => JSON.stringify(act));
    }
    const agent = "agent" in act ? (this.#agents[act.agent] as Agent) : null;
    const machine = "machine" in act ? (this.#machines[act.machine] as Machine) : null;
    switch (act.do) {
      case "ask":
        agent?.process.receive(() => void agent.ask(act.ask));
        return;
      case "abort":
      case "release":
        this.#meddle(act);
        return;
      case "stop":
        agent?.process.stop();
        agent?.network.trouble(act.ms);
        this.#simulation.after(act.ms, () => agent?.process.continue());
        return;
      case "crash":
        if (agent === null || agent.process.isDead) return;
        agent.crash();
        this.#simulation.after(act.ms, () => {
          this.#agents[act.agent] = this.#newAgent(act.agent);
        });
        return;
      case "close":
        agent?.process.receive(() => void agent.close(act.drainMs, act.withinMs));
        return;
      case "sleep":
        machine?.sleep();
        for (const { process, network } of this.#agents)
          if (process.machine === machine) network.trouble(act.ms);
        this.#simulation.after(act.ms, () => machine?.wake());
        return;
      case "wall":
        machine?.stepWall(act.ms);
        for (const { process, network } of this.#agents) {
          if (process.machine === machine) network.trouble(LONGEST_MS);
        }
        return;
      case "store-stop":
        this.#store.process.stop();
        this.#store.trouble(act.ms + CALL_MS);
        this.#simulation.after(act.ms, () => this.#store.process.continue());
        return;
      case "store-wall":
        this.#store.machine.stepWall(act.ms);
        return;
      case "revoke":
        this.#revoke(act.pick, act.graceMs);
        return;
      case "sweep":
        void this.#store.backend.sweep({});
    }
  }

  /** What a caller does at any moment: gives up a request, or gives a lease back. */
  #meddle({ do: what, pick }: Extract<Act, { do: "abort" | "release" }>): void {
    const agents = this.#agents.filter(({ process }) => process.isRunning);
    if (what === "abort") {
      const asks = agents.flatMap((agent) =>
        [...agent.asks.values()].map((ask) => ({ agent, ask })).filter(({ ask }) => ask.outcome === null),
      );
      const chosen = asks[Math.floor(pick * asks.length)];
      chosen?.agent.abort(chosen.ask);
    } else {
      const holds = agents.flatMap((agent) => [...agent.holds].map((hold) => ({ agent, hold })));
      const chosen = holds[Math.floor(pick * holds.length)];
      void chosen?.agent.release(chosen.hold);
    }
  }

  #revoke(pick: number, graceMs: number): void {
    const live = this.#store.picture.live();
    const lease = live[Math.floor(pick * live.length)];
    if (lease === undefined) return;
    if (graceMs === 0) this.#checks.onHardRevoke(lease.id);
    void this.#store.backend.release([{ kind: "revoke", id: lease.id, by: "ops", reason: null, graceMs }]);
  }
}

function nameOf(act: Act): string {
  if (act.do === "revoke") return act.graceMs > 0 ? "soft-revoke" : "hard-revoke";
  if (act.do === "wall" || act.do === "store-wall") return act.ms > 0 ? "wall-forward" : "wall-back";
  return act.do;
}
