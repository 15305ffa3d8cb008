import { createLeaseId, type LeaseBackend, LeaseError } from "@lease/core";
import type { SweepResult } from "@lease/core/backend";
import { expect, test } from "vitest";
import { createJanitor } from "../src/index.js";
import { meddled, settled, world } from "./support.js";

/** A lease that nobody looks after. */
function leave(backend: LeaseBackend, resource: string, ttlMs: number) {
  const claims = [{ resource, mode: "exclusive" as const }];
  const rest = {
    maxRenewals: null,
    wait: "no" as const,
    waitTtlMs: 1_000,
    holding: [],
    reason: null,
    metadata: null,
  };
  return backend.acquire({ id: createLeaseId(), agentId: "alice", claims, ttlMs, ...rest });
}

test("the janitor ends what is past its time, prunes old history and tells", async () => {
  const { backend, clock } = world();
  await leave(backend, "a", 10_000);
  const rounds: SweepResult[] = [];
  const janitor = createJanitor({
    backend,
    clock,
    random: () => 0.5,
    historyRetentionMs: 60_000,
    onSweep: (round) => rounds.push(round),
  });
  janitor.start();
  janitor.start();
  await clock.advance(40_000);
  expect(rounds.map(({ expired }) => expired.map(({ state }) => state))).toEqual([["expired"]]);
  await clock.advance(120_000);
  expect(rounds.reduce((sum, { pruned }) => sum + pruned, 0)).toBe(2);
  await janitor.stop();
  expect(clock.timers).toBe(0);
});

test("a round that fails, or a listener that throws, does not end the rounds", async () => {
  const { backend, clock } = world();
  const errors: unknown[] = [];
  let rounds = 0;
  const flaky = meddled(backend, {
    sweep: () => {
      rounds += 1;
      return Promise.reject(new LeaseError("BACKEND_UNAVAILABLE", "down"));
    },
  });
  const janitor = createJanitor({
    backend: flaky,
    clock,
    random: () => 0,
    onError: (error) => {
      errors.push(error);
      throw new Error("listener");
    },
  });
  janitor.start();
  await clock.advance(90_000);
  expect(rounds).toBe(4);
  expect(errors).toHaveLength(4);
  await janitor.stop();
  expect(clock.timers).toBe(0);
});

test("a backlog larger than one step is swept in one round", async () => {
  const { backend, clock } = world();
  for (let index = 0; index < 1_200; index += 1) {
    await leave(backend, `job:${index}`, 1_000);
  }
  await clock.advance(1_000);
  const { expired } = await createJanitor({ backend, clock }).sweep();
  expect(expired).toHaveLength(1_200);
});

test("the janitor keeps up with a store that prunes a bounded stretch at a time", async () => {
  const { backend, clock } = world();
  let left = 25;
  const bounded = meddled(backend, {
    sweep: async () => {
      const pruned = Math.min(left, 10);
      left -= pruned;
      return { expired: [], pruned, more: left > 0 };
    },
  });
  const janitor = createJanitor({ backend: bounded, clock });
  expect(await janitor.sweep()).toEqual({ expired: [], pruned: 25, more: false });
});

test("a store that says that there is more and does nothing is asked again in the next round, not at once", async () => {
  const { backend, clock } = world();
  let sweeps = 0;
  const stuck = meddled(backend, {
    sweep: async () => {
      sweeps += 1;
      return { expired: [], pruned: 0, more: true };
    },
  });
  expect(await createJanitor({ backend: stuck, clock }).sweep()).toMatchObject({ more: true });
  expect(sweeps).toBe(1);
});

test("stopping ends after the round under way", async () => {
  const { backend, clock } = world();
  let finish: () => void = () => {};
  const slow = meddled(backend, {
    sweep: () =>
      new Promise((resolve) => {
        finish = () => resolve({ expired: [], pruned: 0, more: false });
      }),
  });
  const janitor = createJanitor({ backend: slow, clock, random: () => 0 });
  janitor.start();
  await clock.advance(1);
  let stopped = false;
  const stopping = janitor.stop().then(() => {
    stopped = true;
  });
  await settled();
  expect(stopped).toBe(false);
  finish();
  await stopping;
  expect(clock.timers).toBe(0);
});

test("stopped and started again while a round is under way, it goes on with one round at a time, and can be stopped", async () => {
  const { backend, clock } = world();
  const finish: (() => void)[] = [];
  const slow = meddled(backend, {
    sweep: () =>
      new Promise((resolve) => {
        finish.push(() => resolve({ expired: [], pruned: 0, more: false }));
      }),
  });
  const janitor = createJanitor({ backend: slow, clock, intervalMs: 1_000, random: () => 0 });
  janitor.start();
  await clock.advance(0);
  const stopping = janitor.stop();
  janitor.start();
  await clock.advance(0);
  expect(finish).toHaveLength(1);
  finish[0]?.();
  await settled();
  finish[1]?.();
  await stopping;
  await clock.advance(1_000);
  expect(finish).toHaveLength(3);
  finish[2]?.();
  await settled();
  await janitor.stop();
  expect(clock.timers).toBe(0);
  await clock.advance(5_000);
  expect(finish).toHaveLength(3);
});
