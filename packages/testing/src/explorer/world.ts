/** One state of the explored world, the steps out of it, and the key by which it is recognised. */
import type { Lease, LeaseEventType } from "@lease/core";
import type { AcquireResult, MemoryStore, Moment, RenewResult } from "@lease/core/backend";
import { type Ask, type ClientState, heard, movesOf, newClient } from "./client.js";
import { type ClientPlan, emptyStore, type Scenario } from "./scenario.js";

/** A question on its way to the store. */
interface Question {
  readonly client: number;
  readonly life: number;
  readonly sentAt: number;
  readonly ask: Ask;
}

/** An answer on its way back. */
interface Answer {
  readonly to: Question;
  readonly answer: AcquireResult | RenewResult;
}

/** A step and the world after it. */
export interface Step {
  readonly label: string;
  readonly world: World;
}

/** Durations in the store are ticks, and its wall clock stands still: tokens are 1, 2, 3 … */
const WALL = 0;
const ALL = 1000;

export class World {
  readonly scenario: Scenario;
  readonly store: MemoryStore;
  now = 0;
  clients: readonly ClientState[];
  questions: readonly Question[] = [];
  answers: readonly Answer[] = [];
  /** Of each id, what the feed told of it. */
  stories: Readonly<Record<string, readonly LeaseEventType[]>> = {};
  /** Ids of leases that were ended by force while they were held. */
  hardRevoked: readonly string[] = [];
  /** Ids of which an acquire was delivered twice by the network, and ids that were abandoned. */
  doubled: readonly string[] = [];
  abandoned: readonly string[] = [];
  /** For each client, the greatest token under which it wrote: what a fencing guard would remember. */
  written: readonly number[];
  doublesLeft: number;
  hardRevokesLeft: number;
  softRevokesLeft: number;
  sweepsLeft: number;
  /** How much of the feed was looked at. */
  seen = 0;
  #live: readonly Lease[] | undefined;

  private constructor(scenario: Scenario, store: MemoryStore) {
    this.scenario = scenario;
    this.store = store;
    this.clients = scenario.clients.map(() => newClient);
    this.written = scenario.clients.map(() => 0);
    this.doublesLeft = scenario.doubles;
    this.hardRevokesLeft = scenario.hardRevokes;
    this.softRevokesLeft = scenario.softRevokes;
    this.sweepsLeft = scenario.sweeps;
  }

  static start(scenario: Scenario): World {
    return new World(scenario, emptyStore(scenario));
  }

  get moment(): Moment {
    return { now: this.now, wallNow: WALL };
  }

  /** Live leases by token. A world does not change once a step has made it. */
  live(): readonly Lease[] {
    this.#live ??= this.store.begin(this.moment).list({ limit: ALL }).leases;
    return this.#live;
  }

  plan(client: number): ClientPlan {
    return this.scenario.clients[client] as ClientPlan;
  }

  /** Every step that anybody can take. */
  steps(): Step[] {
    return [...this.#clientSteps(), ...this.#networkSteps(), ...this.#othersSteps()];
  }

  /**
   * Equal for two worlds in which the same can happen from here on. Moments count from now, ids stand for their tokens,
   * and of a lease's story only how it stands is kept.
   */
  key(): string {
    const ago = (moment: number) => this.now - moment;
    const leases = this.live().map(
      ({ id, state, expiresInMs, renewals, revoking }) =>
        `${id} ${state} ${expiresInMs} ${renewals} ${revoking?.graceInMs ?? ""}`,
    );
    const clients = this.clients.map(
      ({ life, phase, sent, unanswered, renewals, deadline }) =>
        `${life} ${phase} ${sent} ${unanswered} ${renewals} ${Math.max(0, deadline - this.now)}`,
    );
    const questions = this.questions.map(
      (question) => `${idOf(question)} ${question.ask.kind} ${asked(question.ask)} ${ago(question.sentAt)}`,
    );
    const answers = this.answers.map(
      ({ to, answer }) => `${idOf(to)} ${to.ask.kind} ${ago(to.sentAt)} ${told(answer)}`,
    );
    const stories = Object.entries(this.stories).map(([id, story]) => `${id} ${standing(story)}`);
    const left = [this.now, this.doublesLeft, this.hardRevokesLeft, this.softRevokesLeft, this.sweepsLeft];
    return [
      ...[left, leases, clients, questions.sort(), answers.sort(), stories.sort()],
      ...[this.hardRevoked, this.doubled, this.abandoned].map((ids) => ids.toSorted()),
    ].join("|");
  }

  *#clientSteps(): Generator<Step> {
    for (const [index, client] of this.clients.entries()) {
      for (const { label, next, ask } of movesOf(client, this.plan(index), this.now)) {
        const world = this.#copy();
        world.clients = this.clients.with(index, next);
        if (ask !== null) {
          const question: Question = { client: index, life: next.life, sentAt: this.now, ask };
          world.questions = [...this.questions, question];
        }
        world.#forgetUnheard(index);
        yield { label: `client ${index} ${label}`, world };
      }
    }
  }

  *#networkSteps(): Generator<Step> {
    for (const [index, question] of this.questions.entries()) {
      const rest = this.questions.toSpliced(index, 1);
      const what = `${question.ask.kind} of ${idOf(question)}`;
      yield { label: `the store gets the ${what}`, world: this.#serve(question, rest) };
      if (this.doublesLeft > 0) {
        const world = this.#serve(question, this.questions);
        world.doublesLeft -= 1;
        if (question.ask.kind === "acquire") world.doubled = [...this.doubled, idOf(question)];
        yield { label: `the store gets the ${what}, and will get it once more`, world };
      }
    }
    for (const [index, { to, answer }] of this.answers.entries()) {
      const world = this.#copy();
      world.answers = this.answers.toSpliced(index, 1);
      const client = this.clients[to.client] as ClientState;
      const next = heard(client, this.plan(to.client), to, answer, this.now);
      world.clients = this.clients.with(to.client, next);
      world.#forgetUnheard(to.client);
      // A new holder writes at once, under its token.
      if (next.phase === "holding") {
        const highest = Math.max(this.written[to.client] ?? 0, next.token);
        world.written = this.written.with(to.client, highest);
      }
      yield {
        label: `client ${to.client} hears "${answer.status}" to its ${to.ask.kind} of ${idOf(to)}`,
        world,
      };
    }
  }

  *#othersSteps(): Generator<Step> {
    if (this.now < this.scenario.ticks) {
      const world = this.#copy();
      world.now += 1;
      yield { label: "a tick", world };
    }
    if (this.sweepsLeft > 0) {
      const world = this.#copy();
      world.sweepsLeft -= 1;
      world.store.begin(world.moment).sweep({});
      yield { label: "a sweep", world };
    }
    for (const { id, state } of this.live()) {
      for (const graceMs of [0, 1]) {
        if ((graceMs === 0 ? this.hardRevokesLeft : this.softRevokesLeft) === 0) continue;
        const world = this.#copy();
        world.store
          .begin(world.moment)
          .steps.release({ kind: "revoke", id, by: "somebody", reason: null, graceMs });
        if (graceMs === 0) world.hardRevokesLeft -= 1;
        else world.softRevokesLeft -= 1;
        if (graceMs === 0 && state === "active") world.hardRevoked = [...this.hardRevoked, id];
        yield { label: `${id} is revoked${graceMs === 0 ? "" : " softly"}`, world };
      }
    }
  }

  /** The world after the store answered a question; answers that nobody acts on are not kept. */
  #serve(question: Question, questions: readonly Question[]): World {
    const world = this.#copy();
    world.questions = questions;
    const { ask, client } = question;
    const id = idOf(question);
    const agentId = agentOf(client);
    if (ask.kind === "acquire") {
      const { claims, ttl, waitTtl, maxRenewals } = this.plan(client);
      const terms = {
        ttlMs: ttl,
        waitTtlMs: waitTtl ?? 1,
        wait: waitTtl === null ? ("no" as const) : ("queue" as const),
        maxRenewals,
        holding: [],
        reason: null,
        metadata: null,
      };
      world.#reply(
        question,
        world.store.begin(world.moment).steps.acquire({ id, agentId, claims, ...terms }),
      );
    } else if (ask.kind === "renew") {
      const { token, ttl, renewal } = ask;
      world.#reply(
        question,
        world.store.begin(world.moment).steps.renew({ id, agentId, token, ttlMs: ttl, renewal }),
      );
    } else if (ask.kind === "release") {
      world.store.begin(world.moment).steps.release({ kind: "release", id, agentId, token: ask.token });
    } else {
      world.store.begin(world.moment).steps.release({ kind: "abandon", id, agentId });
      if (!this.abandoned.includes(id)) world.abandoned = [...this.abandoned, id];
    }
    return world;
  }

  /** A client that wants nothing listens to nobody: what is still on its way to it changes nothing. */
  #forgetUnheard(index: number): void {
    const { life, phase } = this.clients[index] as ClientState;
    this.answers = this.answers.filter(
      ({ to }) => to.client !== index || (to.life === life && phase !== "idle"),
    );
  }

  #reply(to: Question, answer: AcquireResult | RenewResult): void {
    this.answers = [...this.answers, { to, answer }];
    this.#forgetUnheard(to.client);
  }

  #copy(): World {
    const { store, ...rest } = this;
    return Object.assign(new World(this.scenario, store.clone()), rest);
  }
}

/** Client 0's second life has the id `0.2`: the store takes any string. */
export function idOf({ client, life }: Pick<Question, "client" | "life">): string {
  return `${client}.${life}`;
}

export function clientOfId(id: string): number {
  return Number(id.split(".")[0]);
}

function agentOf(client: number): string {
  return `agent-${client}`;
}

/** A lease that ran out and was not ended yet counts as held: what is live tells. */
function standing(story: readonly LeaseEventType[]): string {
  const last = story.at(-1) ?? "";
  if (last !== "renewed") return last;
  return story.includes("revoking") ? "revoking" : "acquired";
}

function asked(ask: Ask): string {
  return ask.kind === "renew" ? `${ask.renewal} for ${ask.ttl}` : "";
}

function told(answer: AcquireResult | RenewResult): string {
  return "lease" in answer && answer.lease !== null
    ? `${answer.status} ${answer.lease.expiresInMs} ${answer.lease.renewals} ${"repeated" in answer && answer.repeated}`
    : answer.status;
}
