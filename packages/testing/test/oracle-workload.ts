/**
 * Several clients at once on one store behind a bad network, in simulated time, all of it drawn from a seed: the logs
 * that the oracle is tried on.
 */
import { type Clock, type LeaseBackend, type LeaseError, memoryBackend } from "@lease/core";
import type { AcquireRequest, WaitMode } from "@lease/core/backend";
import {
  CallLog,
  type Fault,
  type FaultyCall,
  faulty,
  type SimulatedClock,
  simulatedClock,
} from "../src/index.js";

export interface WorkloadOptions {
  readonly seed: number;
  readonly clients?: number;
  /** What each client does before it stops. */
  readonly turns?: number;
  /** The share of messages that something happens to. */
  readonly faults?: number;
  readonly open?: (clock: SimulatedClock) => LeaseBackend;
}

export interface Workload {
  readonly log: CallLog;
  readonly backend: LeaseBackend;
  readonly clock: SimulatedClock;
}

/** What other clients may meddle with. */
type Asked = Pick<AcquireRequest, "id" | "agentId" | "claims">;

const RESOURCES = ["a", "a/b", "a/c", "a/**", "b", "b/x", "b/**", "c", "d", "e"];
const REASON = [null, "tests"] as const;

/** Runs it to its end. */
export async function workload(options: WorkloadOptions): Promise<Workload> {
  const {
    seed,
    clients = 5,
    turns = 40,
    faults = 0.15,
    open = (clock) => memoryBackend({ clock }),
  } = options;
  const clock = simulatedClock();
  const backend = open(clock);
  const log = new CallLog(clock);
  const random = new Random(seed);
  const ids: Asked[] = [];
  const all = Array.from({ length: clients }, (_, index) => {
    const name = `client-${index}`;
    const network = faulty(backend, { clock, decide: (call) => fateOf(call, random, faults, name, log) });
    const client = new Client(name, log.recorded(network, name), clock, random, ids);
    return { client, network };
  });
  let running = clients;
  const runs = all.map(async ({ client, network }) => {
    for (let turn = 0; turn < turns; turn += 1) {
      await client.turn();
      if (random.chance(0.2)) await network.deliver();
    }
    running -= 1;
  });
  while (running > 0) await clock.advance(100);
  await Promise.all(runs);
  return { log, backend, clock };
}

function fateOf(
  call: FaultyCall,
  random: Random,
  faults: number,
  client: string,
  log: CallLog,
): Fault | undefined {
  if (random.chance(faults)) {
    const fault = random.of(["unavailable", "lose-reply", "late", "double"] as const);
    if (fault === "double") copy(call, client, log);
    return fault;
  }
  const delayMs = random.upTo(random.chance(0.05) ? 400 : 20);
  return delayMs === 0 ? undefined : { delayMs, on: random.of(["request", "reply"]) };
}

/** What the network doubles is two calls. */
function copy({ operation, argument }: FaultyCall, client: string, log: CallLog): void {
  if (operation === "list" || operation === "sweep") return;
  for (const request of [argument].flat()) log.copied(client, operation, request as never);
}

class Client {
  readonly #name: string;
  readonly #backend: LeaseBackend;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #ids: Asked[];

  constructor(name: string, backend: LeaseBackend, clock: Clock, random: Random, ids: Asked[]) {
    this.#name = name;
    this.#backend = backend;
    this.#clock = clock;
    this.#random = random;
    this.#ids = ids;
  }

  async turn(): Promise<void> {
    const random = this.#random;
    await this.#sleep(random.upTo(100));
    if (random.chance(0.75)) return await this.#session();
    await this.#interfere();
  }

  /** Asks for something until it has it, holds it for a while, and lets it go. */
  async #session(): Promise<void> {
    const random = this.#random;
    const request = this.#request();
    this.#ids.push(request);
    const tries = random.upTo(4) + 1;
    for (let index = 0; index < tries; index += 1) {
      const isLast = index === tries - 1;
      const asked = { ...request, wait: isLast && random.chance(0.7) ? "no" : request.wait } as const;
      const answer = await this.#try(() => this.#backend.acquire(asked));
      if (answer?.status === "granted") return await this.#hold(request, answer.lease.token);
      if (answer?.status === "ended") return;
      await this.#sleep(random.upTo(Math.ceil(request.waitTtlMs * 1.1)));
    }
    if (random.chance(0.6)) {
      await this.#try(() =>
        this.#backend.release([{ kind: "abandon", id: request.id, agentId: request.agentId }]),
      );
    }
  }

  async #hold({ id, agentId, ttlMs }: AcquireRequest, token: number): Promise<void> {
    const random = this.#random;
    let counted = 0;
    for (let rounds = random.upTo(5); rounds > 0; rounds -= 1) {
      await this.#sleep(random.upTo(Math.ceil(ttlMs * (random.chance(0.1) ? 1.5 : 0.5))));
      const renewal = random.of([
        counted + 1,
        counted + 1,
        counted + 1,
        Math.max(1, counted),
        counted + 3,
        undefined,
      ]);
      const renewTtlMs = random.of([undefined, undefined, ttlMs * 2, Math.ceil(ttlMs / 2)]);
      const given = random.chance(0.9) ? token : undefined;
      const answers = await this.#try(() =>
        this.#backend.renew([{ id, agentId, token: given, renewal, ttlMs: renewTtlMs }]),
      );
      const [answer] = answers ?? [];
      if (answer?.status === "renewed" || answer?.status === "out-of-order") counted = answer.lease.renewals;
      else if (answer !== undefined && answer.status !== "renewal-limit") break;
    }
    if (random.chance(0.2)) return;
    const kind = random.of(["release", "release", "abandon"] as const);
    for (let tries = random.upTo(3); tries >= 0; tries -= 1) {
      const answer = await this.#try(() => this.#backend.release([{ kind, id, agentId }]));
      if (answer !== undefined && random.chance(0.8)) return;
    }
  }

  /** Looks, tidies up, revokes, and does what is not its own to do. */
  async #interfere(): Promise<void> {
    const random = this.#random;
    const backend = this.#backend;
    const other = this.#ids.length === 0 ? undefined : random.of(this.#ids.slice(-12));
    if (other === undefined || random.chance(0.4)) {
      const query = {
        limit: random.of([undefined, 1, 3]),
        agentId: random.of([undefined, this.#name]),
        resource: random.of([undefined, undefined, ...RESOURCES]),
        state: random.of([undefined, undefined, "pending", "active"] as const),
      };
      const page = await this.#try(() => backend.list(query));
      if (page?.next != null) await this.#try(() => backend.list({ ...query, after: page.next as string }));
      return;
    }
    const { id } = other;
    const agentId = random.chance(0.3) ? other.agentId : this.#name;
    const token = random.chance(0.1) ? 12345 : undefined;
    switch (random.upTo(5)) {
      case 0:
        await this.#try(() => backend.sweep({ limit: random.of([undefined, 1]) }));
        return;
      case 1:
        await this.#try(() =>
          backend.renew([{ id, agentId, token, renewal: random.of([undefined, 1, 2, 9]) }]),
        );
        return;
      case 2:
        await this.#try(() => backend.release([{ kind: random.of(["release", "abandon"]), id, agentId }]));
        return;
      case 3:
        await this.#try(() => backend.acquire({ ...this.#request(), id, agentId, claims: other.claims }));
        return;
      default: {
        const graceMs = random.of([0, 0, 50, 300]);
        const reason = random.of(REASON);
        await this.#try(() => backend.release([{ kind: "revoke", id, by: this.#name, reason, graceMs }]));
      }
    }
  }

  #request(): AcquireRequest {
    const random = this.#random;
    const count = random.chance(0.7) ? 1 : 2;
    const resources = new Set(Array.from({ length: count }, () => random.of(RESOURCES)));
    const ttlMs = random.of([100, 300, 1000, 3000]);
    return {
      id: random.id(),
      agentId: this.#name,
      claims: [...resources].map((resource) => ({
        resource,
        mode: random.of(["exclusive", "exclusive", "shared"]),
      })),
      ttlMs,
      maxRenewals: random.of([null, null, 0, 1, 2]),
      wait: random.of<WaitMode>(["no", "queue", "queue", "hand-off"]),
      waitTtlMs: random.of([100, 300, 1000]),
      holding: [],
      reason: random.of(REASON),
      metadata: random.of([null, { n: 1 }]),
    };
  }

  async #try<T>(run: () => Promise<T>): Promise<T | undefined> {
    try {
      return await run();
    } catch (error) {
      if ((error as LeaseError).code === undefined) throw error;
      return undefined;
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.schedule(ms, resolve);
    });
  }
}

/** A small generator with a seed (mulberry32). */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** A whole number from 0 to `most` - 1, or 0. */
  upTo(most: number): number {
    return Math.floor(this.next() * most);
  }

  of<const T>(choices: readonly T[]): T {
    return choices[this.upTo(choices.length)] as T;
  }

  id(): string {
    const hex = (length: number) => Array.from({ length }, () => this.upTo(16).toString(16)).join("");
    return `${hex(8)}-${hex(4)}-7${hex(3)}-8${hex(3)}-${hex(12)}`;
  }
}
