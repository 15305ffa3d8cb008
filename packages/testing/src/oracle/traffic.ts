/**
 * Clients that use one store at once behind a bad network, all of it drawn from a seed: leases acquired, renewed,
 * released, abandoned and left to expire, by their agents and by others.
 */
import { type Clock, isLeaseError, type LeaseBackend, type Mode, systemClock } from "@lease/core";
import type { AcquireRequest, WaitMode } from "@lease/core/backend";
import { type Fault, type FaultyCall, faulty } from "../faulty.js";
import type { SimulatedClock } from "../simulated-clock.js";
import { CallLog } from "./call-log.js";
import { Random } from "./random.js";

/** How much traffic, and how bad the network is. */
export interface TrafficOptions {
  readonly seed: number;
  /** One for each client that there is to be. */
  readonly backends: readonly LeaseBackend[];
  /** For how long, on the clock of the store. */
  readonly runMs: number;
  /** The share of messages that are lost, late or doubled. */
  readonly faults: number;
  /** The clock that the store runs on, if it is simulated; the traffic moves it. */
  readonly clock: SimulatedClock | undefined;
}

/** Runs it to its end, and returns all calls. */
export async function traffic(options: TrafficOptions): Promise<CallLog> {
  const { seed, backends, runMs, faults, clock } = options;
  const time = clock ?? systemClock;
  const log = new CallLog(time);
  const random = new Random(seed);
  const asked: AcquireRequest[] = [];
  const until = time.now() + runMs;
  const runs = backends.map(async (backend, index) => {
    const name = `client-${index}`;
    const unitMs = unitOf(backend);
    const network = faulty(backend, {
      clock: time,
      decide: (call) =>
        fateOf(call, random, faults, unitMs, (request) => log.copied(name, call.operation, request)),
    });
    const client = new Client(name, log.recorded(network, name), { time, until, unitMs, random, asked });
    while (time.now() < until) {
      await client.turn();
      if (random.chance(0.2)) await network.deliver();
    }
  });
  const all = Promise.all(runs);
  if (clock !== undefined) await advanceUntil(clock, all);
  await all;
  return log;
}

/** The shortest TTL that leaves a few calls time to get through. */
function unitOf({ limits: { minTtlMs, ttlStepMs } }: LeaseBackend): number {
  return Math.ceil(Math.max(minTtlMs, 100) / ttlStepMs) * ttlStepMs;
}

async function advanceUntil(clock: SimulatedClock, done: Promise<unknown>): Promise<void> {
  let isDone = false;
  const finish = () => {
    isDone = true;
  };
  done.then(finish, finish);
  while (!isDone) await clock.advance(100);
}

function fateOf(
  { operation, argument }: FaultyCall,
  random: Random,
  faults: number,
  unitMs: number,
  copied: (request: never) => void,
): Fault | undefined {
  if (!random.chance(faults)) {
    const delayMs = random.below(random.chance(0.05) ? unitMs * 4 : unitMs / 5);
    return delayMs === 0 ? undefined : { delayMs, on: random.of(["request", "reply"]) };
  }
  const fault = random.of(["unavailable", "lose-reply", "late", "double"] as const);
  // A doubled message is two calls, and nobody hears the answer of the second.
  if (fault === "double" && operation !== "list" && operation !== "sweep") {
    for (const request of [argument].flat()) copied(request as never);
  }
  return fault;
}

const RESOURCES = ["a", "a/b", "a/c", "a/**", "b", "b/x", "b/**", "c", "d", "e"];

interface World {
  readonly time: Clock;
  readonly until: number;
  readonly unitMs: number;
  readonly random: Random;
  /** What all clients have asked for: others meddle with it. */
  readonly asked: AcquireRequest[];
}

class Client {
  readonly #name: string;
  readonly #backend: LeaseBackend;
  readonly #world: World;

  constructor(name: string, backend: LeaseBackend, world: World) {
    this.#name = name;
    this.#backend = backend;
    this.#world = world;
  }

  async turn(): Promise<void> {
    const { random, unitMs } = this.#world;
    await this.#sleep(random.below(unitMs));
    if (random.chance(0.75)) await this.#session();
    else if (random.chance(0.4)) await this.#look();
    else await this.#meddle();
  }

  /** Asks until it is granted or gives up; then holds it for a while. */
  async #session(): Promise<void> {
    const { random, asked } = this.#world;
    const request = this.#request();
    asked.push(request);
    const tries = random.below(4) + 1;
    for (let index = 1; index <= tries && !this.#isOver(); index += 1) {
      const isLast = index === tries && random.chance(0.7);
      const answer = await this.#try(() =>
        this.#backend.acquire(isLast ? { ...request, wait: "no" } : request),
      );
      if (answer?.status === "granted") return await this.#hold(request, answer.lease.token);
      if (answer?.status === "ended") return;
      await this.#sleep(random.below(request.waitTtlMs * 1.1));
    }
    const { id, agentId } = request;
    if (random.chance(0.6)) await this.#try(() => this.#backend.release([{ kind: "abandon", id, agentId }]));
  }

  /** Renews it, not always rightly, and lets it go or expire. */
  async #hold({ id, agentId, ttlMs }: AcquireRequest, token: number): Promise<void> {
    const { random } = this.#world;
    let counted = 0;
    for (let left = random.below(5); left > 0 && !this.#isOver(); left -= 1) {
      await this.#sleep(random.below(random.chance(0.1) ? ttlMs * 1.5 : ttlMs / 2));
      const next = counted + 1;
      const renewal = random.of([next, next, next, Math.max(1, counted), next + 2, undefined]);
      const renewed = {
        id,
        agentId,
        token: random.chance(0.9) ? token : undefined,
        renewal,
        ttlMs: random.of([undefined, undefined, ttlMs * 2, this.#world.unitMs]),
      };
      const [answer] = (await this.#try(() => this.#backend.renew([renewed]))) ?? [];
      if (answer?.status === "renewed" || answer?.status === "out-of-order") counted = answer.lease.renewals;
      else if (answer !== undefined && answer.status !== "renewal-limit") break;
    }
    if (random.chance(0.2)) return;
    const kind = random.of(["release", "release", "abandon"] as const);
    for (let left = random.below(3); left >= 0; left -= 1) {
      const answer = await this.#try(() => this.#backend.release([{ kind, id, agentId }]));
      if (answer !== undefined && random.chance(0.8)) return;
    }
  }

  async #look(): Promise<void> {
    const { random } = this.#world;
    const query = {
      limit: random.of([undefined, 1, 3]),
      agentId: random.of([undefined, this.#name]),
      resource: random.of([undefined, undefined, ...RESOURCES]),
      state: random.of([undefined, undefined, "pending", "active"] as const),
    };
    const page = await this.#try(() => this.#backend.list(query));
    const after = page?.next ?? undefined;
    if (after !== undefined) await this.#try(() => this.#backend.list({ ...query, after }));
  }

  /** Sweeps, revokes, and does to others' leases what only their agents may. */
  async #meddle(): Promise<void> {
    const { random, asked, unitMs } = this.#world;
    const [backend, others] = [this.#backend, asked.slice(-12)];
    if (others.length === 0) return;
    const other = random.of(others);
    const { id, claims } = other;
    const agentId = random.chance(0.3) ? other.agentId : this.#name;
    switch (random.below(5)) {
      case 0:
        await this.#try(() => backend.sweep({ limit: random.of([undefined, 1]) }));
        return;
      case 1: {
        const [token, renewal] = [random.chance(0.1) ? 12_345 : undefined, random.of([undefined, 1, 2, 9])];
        await this.#try(() => backend.renew([{ id, agentId, token, renewal }]));
        return;
      }
      case 2: {
        const kind = random.of(["release", "abandon"]);
        await this.#try(() => backend.release([{ kind, id, agentId }]));
        return;
      }
      case 3:
        await this.#try(() => backend.acquire({ ...this.#request(), id, agentId, claims }));
        return;
      default: {
        const graceMs = random.of([0, 0, unitMs / 2, unitMs * 3]);
        const reason = random.of([null, "tests"]);
        await this.#try(() => backend.release([{ kind: "revoke", id, by: this.#name, reason, graceMs }]));
      }
    }
  }

  #request(): AcquireRequest {
    const { random, unitMs } = this.#world;
    const count = random.chance(0.7) ? 1 : 2;
    const resources = new Set(Array.from({ length: count }, () => random.of(RESOURCES)));
    const mode = (): Mode => random.of(["exclusive", "exclusive", "shared"]);
    return {
      id: random.id(),
      agentId: this.#name,
      claims: [...resources].map((resource) => ({ resource, mode: mode() })),
      ttlMs: random.of([unitMs, unitMs * 3, unitMs * 10]),
      maxRenewals: random.of([null, null, 0, 1, 2]),
      wait: random.of<WaitMode>(["no", "queue", "queue", "hand-off"]),
      waitTtlMs: random.of([unitMs, unitMs * 3, unitMs * 10]),
      holding: [],
      reason: random.of([null, "tests"]),
      metadata: random.of([null, { n: 1 }]),
    };
  }

  #isOver(): boolean {
    return this.#world.time.now() >= this.#world.until;
  }

  /** The answer; `undefined` after an error, which is in the log. */
  async #try<T>(run: () => Promise<T>): Promise<T | undefined> {
    try {
      return await run();
    } catch (error) {
      if (isLeaseError(error)) return undefined;
      throw error;
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#world.time.schedule(ms, resolve);
    });
  }
}
