/**
 * Managers on a network that loses, delays and doubles messages, in some hundreds of random stories: whatever happens,
 * no two of them believe in conflicting leases, and once all are closed nothing is left behind.
 */
import { type Claim, createLeaseManager, type LeaseHandle, listAll, memoryBackend } from "@lease/core";
import { conflicts } from "@lease/core/backend";
import { expect, test } from "vitest";
import { type Fault, type FaultyCall, faulty } from "../../../testing/src/faulty.js";
import { simulatedClock } from "../../../testing/src/simulated-clock.js";

const STORIES = 300;
const STEPS = 60;
const AGENTS = ["alice", "bob", "carol"];
const RESOURCES = ["a", "b", "d/x", "d/**", "**"];

/** Chance that can be told again: numbers from 0 to below 1. */
function chance(seed: number) {
  let state = seed;
  const random = () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
  const below = (most: number) => Math.floor(random() * most);
  return { random, below, oneOf: <T>(list: readonly T[]): T | undefined => list[below(list.length)] };
}

function conflicting(a: readonly Claim[], b: readonly Claim[]): boolean {
  return a.some((ours) => b.some((theirs) => conflicts(ours, theirs)));
}

async function story(seed: number): Promise<void> {
  const { random, below, oneOf } = chance(seed);
  const clock = simulatedClock();
  const backend = memoryBackend({ clock });
  let isCalm = false;

  // An acquire is not doubled: whoever was answered releases, and a released id is forgotten (decision 002).
  const decide = ({ operation }: FaultyCall): Fault | undefined => {
    const luck = random();
    if (isCalm || operation === "list" || luck > 0.4) return undefined;
    if (luck < 0.06) return "unavailable";
    if (luck < 0.14) return "lose-reply";
    if (luck < 0.2) return "late";
    if (luck < 0.24) return operation === "acquire" ? undefined : "double";
    return { delayMs: below(2_500), on: luck < 0.32 ? "request" : "reply" };
  };
  const networks = AGENTS.map(() => faulty(backend, { clock, decide }));
  const managers = networks.map((network, index) => {
    const agentId = AGENTS[index] as string;
    return createLeaseManager({ backend: network, agentId, clock, random, followLosses: random() < 0.3 });
  });
  /** Ids whose callers were refused: nothing can come of them any more. */
  const refused = new Set<string>();
  for (const manager of managers) {
    manager.observe((event) => {
      if (event.type === "refused") refused.add(event.requestId);
    });
  }

  const leases: LeaseHandle[] = [];
  const aborts: AbortController[] = [];
  const lastTokens = new Map<string, number>();
  const faults: string[] = [];

  function look(): void {
    const held = leases.filter((lease) => lease.isHeld());
    for (const [index, one] of held.entries()) {
      for (const other of held.slice(index + 1)) {
        if (conflicting(one.claims, other.claims))
          faults.push(`${one.token} and ${other.token} are held at once`);
      }
    }
  }

  function take(lease: LeaseHandle): void {
    leases.push(lease);
    for (const { resource, mode } of lease.claims) {
      if (mode === "shared") continue;
      if (lease.token <= (lastTokens.get(resource) ?? 0)) faults.push(`${lease.token} came out of order`);
      lastTokens.set(resource, lease.token);
    }
    look();
  }

  function ask(): void {
    const manager = oneOf(managers);
    const abort = new AbortController();
    aborts.push(abort);
    const resources = [...new Set([oneOf(RESOURCES), oneOf(RESOURCES)])] as string[];
    const mine = leases.filter((lease) => lease.agentId === manager?.agentId && lease.isHeld());
    const options = {
      ttlMs: 1_000 + below(2_000),
      waitMs: random() < 0.3 ? 0 : below(8_000),
      waitTtlMs: 1_500,
      mode: random() < 0.3 ? "shared" : "exclusive",
      autoRenew: random() < 0.8,
      maxRenewals: random() < 0.3 ? below(3) : undefined,
      maxHoldMs: random() < 0.2 ? 1_500 : undefined,
      holding: random() < 0.3 ? mine : undefined,
      signal: abort.signal,
    } as const;
    manager?.acquire(resources, options).then(take, () => undefined);
  }

  async function step(): Promise<void> {
    const luck = random();
    const lease = oneOf(leases);
    if (luck < 0.4) ask();
    else if (luck < 0.55) void lease?.release();
    else if (luck < 0.62) lease?.renew({ ttlMs: 500 + below(3_000) }).catch(() => undefined);
    else if (luck < 0.7) oneOf(aborts)?.abort();
    else if (luck < 0.75) void oneOf(networks)?.deliver();
    else if (luck < 0.78 && lease !== undefined) {
      await backend.release([{ kind: "revoke", id: lease.id, by: "ops", reason: null, graceMs: 500 }]);
    } else if (luck < 0.8) clock.stepWall(below(5_000) - 2_500);
    else await clock.advance(below(1_500));
    look();
    for (const { id, state } of await listAll(backend, {})) {
      if (refused.has(id)) faults.push(`${id} is ${state} though its caller was refused`);
    }
  }

  for (let count = 0; count < STEPS; count += 1) await step();
  isCalm = true;
  let isClosed = false;
  const closing = Promise.all(managers.map((manager) => manager.close())).then(() => {
    isClosed = true;
  });
  for (let tries = 0; tries < 1_000 && !isClosed; tries += 1) await clock.advance(20);
  await closing;
  expect(faults).toEqual([]);
  expect(await listAll(backend, {}), "left when all were closed").toEqual([]);
  for (const network of networks) await network.deliver();
  expect(await listAll(backend, {}), "left by late messages").toEqual([]);
  // The network may still be at work on an answer that nobody waits for.
  await clock.advance(2_500);
  expect(clock.timers, "timers left").toBe(0);

  // What ran out where nobody passed it is recorded by the sweep.
  await backend.sweep({});

  const active = new Map<number, readonly Claim[]>();
  const ended = new Set<number>();
  for await (const { type, lease } of backend.changes({})) {
    if (type === "acquired") {
      for (const claims of active.values()) expect(conflicting(claims, lease.claims)).toBe(false);
      active.set(lease.token, lease.claims);
    } else if (lease.state !== "active" && lease.state !== "pending") {
      expect(ended.has(lease.token)).toBe(false);
      ended.add(lease.token);
      active.delete(lease.token);
    }
  }
  expect(active.size, "leases without an end").toBe(0);
}

test(`${STORIES} random stories: never two holders, nothing left behind, one end for each lease`, async () => {
  for (let seed = 1; seed <= STORIES; seed += 1) {
    await story(seed).catch((cause: unknown) => {
      throw new Error(`story ${seed}: ${(cause as Error).message}`, { cause });
    });
  }
});
