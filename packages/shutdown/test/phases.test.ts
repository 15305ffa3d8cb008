import { memoryBackend } from "@lease/core";
import { expect, test } from "vitest";
import { gracefulShutdown } from "../src/index.js";
import { down, meddled, world } from "./support.js";

test("grants nothing more, lets work end, sweeps, closes and exits with 0", async () => {
  const { clock, backend, manager, shutdown, phases, exits } = world();
  const leases = manager();
  const work = await leases.acquire("a", { ttlMs: 1_500 });
  const waiting = leases.acquire("a").catch((error) => error);
  await clock.advance(0);
  const ending = shutdown({ managers: [leases] });
  const report = ending.shutDown();
  expect(ending.signal.aborted).toBe(true);
  expect(ending.signal.reason).toMatchObject({ code: "CLOSED" });
  expect((await waiting).code).toBe("CLOSED");
  await expect(leases.acquire("b")).rejects.toMatchObject({ code: "CLOSED" });
  await clock.advance(3_000); // renewed meanwhile
  expect(work.isHeld()).toBe(true);
  await work.release();
  expect(await report).toEqual({ code: 0, signal: null, interrupted: 0, problems: [] });
  expect(phases).toEqual(["stop 1", "drain 1", "release 0", "sweep 0", "close 0", "exit 0"]);
  expect(exits).toEqual([0]);
  await expect(backend.list({})).rejects.toMatchObject({ code: "CLOSED" });
  expect(clock.timers).toBe(0);
});

test("what has not ended when draining is over is released, at three quarters of the time", async () => {
  const { clock, backend, manager, shutdown } = world();
  const [alice, bob] = [manager(), manager(backend, "bob")];
  await alice.acquire("a");
  await bob.acquire("b");
  const report = shutdown({
    managers: new Set([alice, bob]),
    timeoutMs: 4_000,
    closeBackends: false,
  }).shutDown();
  await clock.advance(2_999);
  expect((await backend.list({})).leases).toHaveLength(2);
  await clock.advance(1);
  expect(await report).toEqual({ code: 0, signal: null, interrupted: 2, problems: [] });
  expect((await backend.list({})).leases).toHaveLength(0);
});

test("the last sweep ends what is past its time, also what others left, and prunes nothing", async () => {
  const { clock, backend, manager, shutdown } = world();
  // A holder that died: it renews nothing and releases nothing.
  const dead = manager(meddled(backend, { release: () => Promise.reject(down()) }), "dead");
  await dead.acquire("a", { ttlMs: 1_000, autoRenew: false });
  await clock.advance(5_000);
  await shutdown({ managers: [manager()], closeBackends: false }).shutDown();
  const types: string[] = [];
  for await (const { type } of backend.changes({})) types.push(type);
  expect(types).toEqual(["acquired", "expired"]);
});

test("a release that nobody confirms in time is told, and exits with 1", async () => {
  const { clock, backend, manager, shutdown, exits } = world();
  const cut = meddled(backend, { release: () => Promise.reject(down()) });
  const leases = manager(cut);
  await leases.acquire("a");
  await leases.acquire("b");
  const report = shutdown({ managers: [leases], timeoutMs: 2_000, drainMs: 0 }).shutDown();
  await clock.advance(2_000);
  const { code, interrupted, problems } = await report;
  expect({ code, interrupted, exits }).toEqual({ code: 1, interrupted: 2, exits: [1] });
  expect(problems[0]).toMatchObject({ phase: "release" });
  expect(problems[0]?.message).toContain("2 of 2 leases may be left");
});

test("a release under way while it drains is asked after, too", async () => {
  const { clock, backend, manager, shutdown } = world();
  const leases = manager(meddled(backend, { release: () => Promise.reject(down()) }));
  const lease = await leases.acquire("a");
  const report = shutdown({ managers: [leases], timeoutMs: 2_000 }).shutDown();
  void lease.release();
  await clock.advance(2_000);
  const { code, problems } = await report;
  expect(code).toBe(1);
  expect(problems[0]?.message).toContain("1 of 1 leases may be left");
});

test("every phase has its turn, whatever fails or hangs in another; all within the deadline", async () => {
  const { clock, backend, manager, shutdown, phases } = world();
  const stopped: string[] = [];
  const broken = meddled(backend, {
    sweep: () => Promise.reject(down()),
    close: () => new Promise(() => {}),
  });
  const leases = manager(broken);
  await leases.acquire("a");
  const begun = clock.now();
  const report = shutdown({
    managers: [leases],
    drainMs: 100,
    timeoutMs: 5_000,
    services: [
      {
        stop: () => {
          throw new Error("a bad service");
        },
      },
      { stop: async () => stopped.push("a good one") },
    ],
    server: { close: () => Promise.reject(new Error("a bad server")) },
    onPhase: ({ phase }) => {
      phases.push(phase);
      throw new Error("a bad listener");
    },
  }).shutDown();
  await clock.advance(5_000);
  const { code, problems } = await report;
  expect(clock.now() - begun).toBe(5_000);
  expect(code).toBe(1);
  expect(problems.map(({ phase, message }) => `${phase}: ${message}`)).toEqual([
    "sweep: This failed: sweeping.",
    "close: This failed: stopping a service.",
    "close: This failed: closing the server.",
    "close: No time was left for closing the memory backend.",
  ]);
  expect(problems[0]?.error).toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  expect(stopped).toEqual(["a good one"]);
  expect(phases).toEqual(["stop", "drain", "release", "sweep", "close", "exit"]);
  expect((await backend.list({})).leases).toEqual([]);
});

test("a store shared by managers is swept and closed once", async () => {
  const { backend, manager, shutdown } = world();
  const calls: string[] = [];
  const counted = meddled(backend, {
    sweep: (options) => {
      calls.push(`sweep ${JSON.stringify(options)}`);
      return backend.sweep(options);
    },
    close: () => {
      calls.push("close");
      return backend.close();
    },
  });
  await shutdown({ managers: [manager(counted), manager(counted)], backends: [counted] }).shutDown();
  expect(calls).toEqual(["sweep {}", "close"]);
});

test("begun twice it is one shutdown; managers added before it begins are in it", async () => {
  const { clock, manager, shutdown, exits } = world();
  const managers = new Set([manager()]);
  const ending = shutdown({ managers, drainMs: 0 });
  const late = manager();
  managers.add(late);
  await late.acquire("a");
  const both = Promise.all([ending.shutDown(), ending.shutDown()]);
  await clock.advance(0);
  const [one, two] = await both;
  expect(one).toBe(two);
  expect(one.interrupted).toBe(1);
  expect(exits).toEqual([0]);
});

test("with nothing to do it is over at once", async () => {
  const { shutdown, exits } = world();
  await shutdown({}).shutDown();
  expect(exits).toEqual([0]);
});

test("bad durations are refused by name", () => {
  expect(() => gracefulShutdown({ timeoutMs: -1 })).toThrow(
    expect.objectContaining({ details: { field: "timeoutMs" } }),
  );
  expect(() => gracefulShutdown({ drainMs: Number.NaN })).toThrow("drainMs");
});

test("disposed, it listens to no signal", () => {
  const before = process.listenerCount("SIGTERM");
  {
    using _ = gracefulShutdown({ backends: [memoryBackend()], exit: () => {} });
    expect(process.listenerCount("SIGTERM")).toBe(before + 1);
  }
  expect(process.listenerCount("SIGTERM")).toBe(before);
});
