import { LeaseError } from "@lease/core";
import type { RenewRequest } from "@lease/core/backend";
import { describe, expect, test } from "vitest";
import { meddled, rejection, settled, world } from "./support.js";

const unavailable = () => new LeaseError("BACKEND_UNAVAILABLE", "down");

test("a lease is renewed at a third of its TTL, for as long as it is held", async () => {
  const { manager, backend, clock } = world();
  const sent: number[] = [];
  const counting = meddled(backend, {
    renew: (requests) => {
      sent.push(clock.now());
      return backend.renew(requests);
    },
  });
  const start = clock.now();
  const lease = await manager({ backend: counting }).acquire("a", { ttlMs: 30_000 });
  await clock.advance(95_000);
  expect(sent.map((at) => at - start)).toEqual([
    10_000, 20_000, 30_000, 40_000, 50_000, 60_000, 70_000, 80_000, 90_000,
  ]);
  expect(lease.isHeld()).toBe(true);
  await lease.release();
  expect(clock.timers).toBe(0);
});

test("leases that are due together are renewed in one call", async () => {
  const { manager, backend, clock } = world();
  const batches: number[] = [];
  const counting = meddled(backend, {
    renew: (requests) => {
      batches.push(requests.length);
      return backend.renew(requests);
    },
  });
  const leases = manager({ backend: counting, random: Math.random });
  const held = await Promise.all(Array.from({ length: 100 }, (_, index) => leases.acquire(`job:${index}`)));
  await clock.advance(10_000);
  expect(batches).toEqual([100]);
  expect(held.every((lease) => lease.isHeld())).toBe(true);
  await leases.close();
});

test("of more leases than go into one call, those with the least time left go first", async () => {
  const { manager, backend, clock } = world();
  const slow = meddled(backend, {
    renew: async (requests) => {
      await new Promise<void>((resolve) => clock.schedule(500, resolve));
      return backend.renew(requests);
    },
  });
  const leases = manager({ backend: slow });
  await Promise.all(Array.from({ length: 2_000 }, (_, index) => leases.acquire(`job:${index}`)));
  await clock.advance(9_000);
  const short = await leases.acquire("short", { ttlMs: 2_000 });
  await clock.advance(10_000);
  expect(short.loss).toBeNull();
  expect(leases.held).toHaveLength(2_001);
});

test("without an answer the lease is lost at the local deadline: signal, state and cause tell", async () => {
  const { manager, backend, clock } = world();
  const cut = meddled(backend, { renew: () => Promise.reject(unavailable()) });
  const lease = await manager({ backend: cut }).acquire("a", { ttlMs: 10_000 });
  await clock.advance(9_898);
  expect(lease.isHeld()).toBe(true);
  expect(lease.signal.aborted).toBe(false);
  await clock.advance(1); // 10 s less 1 % and 1 ms
  expect(lease.isHeld()).toBe(false);
  expect(lease.state).toBe("lost");
  expect(lease.remainingMs()).toBe(0);
  expect(() => lease.assertHeld()).toThrow(lease.loss as Error);
  expect(lease.signal.reason).toBe(lease.loss);
  expect(lease.loss).toMatchObject({
    code: "LEASE_LOST",
    details: { how: "deadline" },
    cause: { code: "BACKEND_UNAVAILABLE" },
  });
});

test("a call that never comes back does not keep the holder believing", async () => {
  const { manager, backend, clock } = world();
  const hung = meddled(backend, { renew: () => new Promise(() => {}) });
  const lease = await manager({ backend: hung }).acquire("a", { ttlMs: 10_000 });
  await clock.advance(9_899);
  expect(lease.signal.aborted).toBe(true);
  expect(await lease.release()).toBe("gone");
});

test("isHeld is right before any timer ran: after a stop, the first answer counts", async () => {
  const { backend, manager, clock } = world();
  // A clock whose timers never run: a blocked event loop.
  const blocked = { now: clock.now, wallNow: clock.wallNow, schedule: () => () => {} };
  const lease = await manager({ clock: blocked }).acquire("a", { ttlMs: 10_000 });
  await clock.advance(20_000);
  expect(lease.signal.aborted).toBe(false);
  expect(lease.isHeld()).toBe(false);
  expect(lease.signal.aborted).toBe(true);
  await settled();
  expect((await backend.list({})).leases).toEqual([]);
});

test("after the machine slept the lease is suspect and not held until a renewal confirms it", async () => {
  const { manager, clock } = world();
  const lease = await manager().acquire("a", { ttlMs: 30_000 });
  expect(() => lease.assertHeld()).not.toThrow();
  clock.suspend(60_000);
  expect(lease.isHeld()).toBe(false);
  expect(() => lease.assertHeld()).toThrow("slept past the deadline");
  expect(lease.state).toBe("suspect");
  expect(lease.signal.aborted).toBe(false);
  // The memory backend's clock slept as well, so the lease lives; the renewal was hurried.
  await clock.advance(0);
  expect(lease.state).toBe("held");
});

test("after the machine slept, a backend whose clock went on tells of the loss at once", async () => {
  const { manager, backend, clock } = world();
  const elsewhere = meddled(backend, {
    renew: async (requests) => requests.map(() => ({ status: "expired" as const })),
  });
  const lease = await manager({ backend: elsewhere }).acquire("a", { ttlMs: 30_000 });
  clock.suspend(60_000);
  expect(lease.state).toBe("suspect");
  await clock.advance(0);
  expect(lease.loss).toMatchObject({ code: "LEASE_LOST", details: { how: "expired" } });
});

test("what was believed before the machine slept is worth nothing: the confirmation alone counts", async () => {
  const { manager, backend, clock } = world();
  const answered = meddled(backend, {
    renew: async (requests) => {
      const [result] = await backend.renew(requests);
      if (result?.status !== "renewed") throw new Error("not renewed");
      return [{ ...result, lease: { ...result.lease, expiresInMs: 10_000 } }];
    },
  });
  const lease = await manager({ backend: answered }).acquire("a", { ttlMs: 30_000, autoRenew: false });
  clock.suspend(60_000);
  await lease.renew();
  expect(lease.remainingMs()).toBe(10_000 - 101);
});

test("a sleep too short to notice does not stretch a deadline when a later answer allows less", async () => {
  const { manager, backend, clock } = world({ bootClock: false });
  const answered = meddled(backend, {
    // The backend's clock went on for 20 s; a repeated renewal extends nothing.
    renew: async (requests) => {
      const [result] = await backend.renew(requests);
      if (result?.status !== "renewed") throw new Error("not renewed");
      return [{ ...result, lease: { ...result.lease, expiresInMs: 10_000 } }];
    },
  });
  const lease = await manager({ backend: answered }).acquire("a", { ttlMs: 30_000, autoRenew: false });
  clock.suspend(20_000);
  await lease.renew();
  await clock.advance(9_698);
  expect(lease.state).toBe("held");
  await clock.advance(1);
  expect(lease.state).toBe("suspect");
});

describe("the wall clock is set back by as much as the machine sleeps", () => {
  test("noticed where a clock counts sleep", async () => {
    const { manager, clock } = world();
    const lease = await manager().acquire("a", { ttlMs: 10_000 });
    clock.stepWall(-20_000);
    expect(lease.isHeld()).toBe(true);
    clock.suspend(20_000);
    expect(lease.isHeld()).toBe(false);
    expect(lease.state).toBe("suspect");
    await clock.advance(0);
    expect(lease.isHeld()).toBe(true);
  });

  test("and hidden where none does, as the README says", async () => {
    const { manager, clock } = world({ bootClock: false });
    const lease = await manager().acquire("a", { ttlMs: 10_000 });
    clock.stepWall(-20_000);
    clock.suspend(20_000);
    expect(lease.isHeld()).toBe(true);
  });
});

test("the steps of 10 ms of the clock that counts sleep neither shorten a short lease nor hide a sleep of two of them", async () => {
  for (let phase = 0; phase < 10; phase += 1) {
    for (const sleep of [0, 20, 21, 27, 39]) {
      for (const step of [0, -1_000]) {
        const { manager, clock } = world({ now: 1_000_000 + phase });
        const lease = await manager().acquire("a", { ttlMs: 50, autoRenew: false });
        for (let elapsed = 0; elapsed < 10; elapsed += 1) {
          expect(lease.isHeld(), `after ${elapsed} ms without sleep, phase ${phase}`).toBe(true);
          await clock.advance(1);
        }
        clock.suspend(sleep);
        clock.stepWall(step);
        for (let elapsed = 10 + sleep; elapsed < 60 + sleep; elapsed += 1) {
          if (elapsed >= 48.5) expect(lease.isHeld(), `${elapsed} ms, slept ${sleep}`).toBe(false);
          else if (sleep === 0) expect(lease.isHeld(), `${elapsed} ms, phase ${phase}`).toBe(true);
          await clock.advance(1);
        }
      }
    }
  }
});

test("the clock that counts sleep is read for each isHeld(), and once for what is sent together", async () => {
  const { backend, manager, clock } = world();
  let readings = 0;
  const counting = {
    ...clock,
    bootNow: () => {
      readings += 1;
      return clock.bootNow?.() as number;
    },
  };
  const leases = manager({ clock: counting, backend });
  const held = await Promise.all(Array.from({ length: 16 }, (_, index) => leases.acquire(`job:${index}`)));
  expect(readings).toBe(1);
  await clock.advance(99);
  await leases.acquire("later");
  expect(readings).toBe(1);
  for (const lease of held) lease.isHeld();
  expect(readings).toBe(17);
  await clock.advance(10_000);
  expect(readings).toBe(18);
  await Promise.all(leases.held.map((lease) => lease.release()));
  expect(readings).toBe(18);
});

test("asking a suspect lease again and again does not hammer a store that is away", async () => {
  const { manager, backend, clock } = world();
  let calls = 0;
  const cut = meddled(backend, {
    renew: () => {
      calls += 1;
      return Promise.reject(unavailable());
    },
  });
  const lease = await manager({ backend: cut }).acquire("a", { ttlMs: 30_000 });
  clock.suspend(60_000);
  for (let ms = 0; ms < 200; ms += 1) {
    expect(lease.state).toBe("suspect");
    await clock.advance(1);
  }
  expect(calls).toBeLessThan(6);
});

test("a wall clock set back or forward neither ends nor extends a lease", async () => {
  const { manager, clock } = world();
  const lease = await manager().acquire("a", { ttlMs: 30_000, autoRenew: false });
  clock.stepWall(-3_600_000);
  expect(lease.isHeld()).toBe(true);
  await clock.advance(29_699);
  expect(lease.state).toBe("lost");

  const renewed = await manager().acquire("b", { ttlMs: 30_000 });
  clock.stepWall(3_600_000);
  expect(renewed.state).toBe("suspect");
  await clock.advance(0);
  expect(renewed.state).toBe("held");
});

test("a revoke is heard at the next renewal, with who and why", async () => {
  const { manager, backend, clock } = world();
  const lease = await manager().acquire("a", { ttlMs: 30_000 });
  await backend.release([{ kind: "revoke", id: lease.id, by: "ops", reason: "deploy", graceMs: 0 }]);
  expect(lease.isHeld()).toBe(true);
  await clock.advance(10_000);
  expect(lease.loss).toMatchObject({
    code: "LEASE_LOST",
    details: { how: "revoked", by: "ops", reason: "deploy" },
  });
  expect(lease.loss?.message).toContain("ops revoked the lease");
});

test("a soft revoke shows on the lease, can be renewed during the grace, and is a loss after it", async () => {
  const { manager, backend, clock } = world();
  const lease = await manager().acquire("a", { ttlMs: 30_000 });
  await backend.release([{ kind: "revoke", id: lease.id, by: "ops", reason: "drain", graceMs: 15_000 }]);
  await clock.advance(10_000);
  expect(lease.isHeld()).toBe(true);
  expect(lease.lease.revoking).toEqual({ by: "ops", reason: "drain", graceInMs: 5_000 });
  await clock.advance(10_000);
  expect(lease.loss).toMatchObject({ details: { how: "revoked", by: "ops", reason: "drain" } });
});

test("a backend that forgot the lease makes it lost", async () => {
  const { manager, backend, clock } = world();
  const lease = await manager().acquire("a", { ttlMs: 30_000 });
  await backend.release([{ kind: "release", id: lease.id, agentId: "alice" }]);
  await clock.advance(10_000);
  expect(lease.loss).toMatchObject({ code: "LEASE_LOST", details: { how: "not-found" } });
});

test("renewals agreed on are used, and then the lease runs out with that as its reason", async () => {
  const { manager, clock, live } = world();
  const lease = await manager().acquire("a", { ttlMs: 30_000, maxRenewals: 2 });
  await clock.advance(45_000);
  expect(lease.isHeld()).toBe(true);
  expect((await rejection(lease.renew())).code).toBe("LEASE_RENEWAL_LIMIT");
  expect(lease.isHeld()).toBe(true);
  await clock.advance(4_699);
  expect(lease.loss).toMatchObject({ code: "LEASE_RENEWAL_LIMIT", details: { maxRenewals: 2 } });
  await settled();
  expect(await live()).toEqual([]);
});

test("a lost reply does not eat into the renewals agreed on", async () => {
  const { manager, backend, clock } = world();
  const counts: (number | undefined)[] = [];
  const lossy = meddled(backend, {
    renew: async (requests) => {
      counts.push(requests[0]?.renewal);
      const results = await backend.renew(requests);
      if (counts.length === 1) throw new LeaseError("OUTCOME_UNKNOWN", "reply lost");
      return results;
    },
  });
  const lease = await manager({ backend: lossy }).acquire("a", { ttlMs: 30_000, maxRenewals: 2 });
  await clock.advance(21_000);
  expect(counts).toEqual([1, 1, 2]);
  expect(lease.lease.renewals).toBe(2);
});

test("maxHoldMs ends a hold however often it is renewed, and gives the lease back", async () => {
  const { manager, clock, live } = world();
  const lease = await manager().acquire("a", { ttlMs: 30_000, maxHoldMs: 45_000 });
  await clock.advance(44_999);
  expect(lease.isHeld()).toBe(true);
  await clock.advance(1);
  expect(lease.loss).toMatchObject({ code: "LEASE_LOST", details: { how: "max-hold" } });
  expect(await live()).toEqual([]);
});

test("an explicit renewal extends by its own TTL and waits for one under way", async () => {
  const { manager, backend, clock } = world();
  const inFlight: RenewRequest[][] = [];
  let concurrent = 0;
  const slow = meddled(backend, {
    renew: async (requests) => {
      concurrent += 1;
      expect(concurrent).toBe(1);
      inFlight.push([...requests]);
      await new Promise<void>((resolve) => clock.schedule(500, resolve));
      concurrent -= 1;
      return backend.renew(requests);
    },
  });
  const lease = await manager({ backend: slow }).acquire("a", { ttlMs: 30_000 });
  await clock.advance(10_000);
  const renewing = lease.renew({ ttlMs: 300_000 });
  await clock.advance(1_000);
  await renewing;
  expect(inFlight.map(([request]) => request?.renewal)).toEqual([1, 2]);
  expect(lease.remainingMs()).toBeGreaterThan(290_000);
  await clock.advance(90_000);
  expect(inFlight).toHaveLength(2);
});

test("a renewal that fails is the caller's to see, and the lease is still held", async () => {
  const { manager, backend } = world();
  const cut = meddled(backend, { renew: () => Promise.reject(unavailable()) });
  const lease = await manager({ backend: cut }).acquire("a");
  expect((await rejection(lease.renew())).code).toBe("BACKEND_UNAVAILABLE");
  expect(lease.isHeld()).toBe(true);
  await lease.release();
  expect((await rejection(lease.renew())).code).toBe("CLOSED");
});

test("a shorter renewal whose reply is late shortens nothing", async () => {
  const { manager, backend, clock } = world();
  const slow = meddled(backend, {
    renew: async (requests) => {
      await new Promise<void>((resolve) => clock.schedule(4_000, resolve));
      return backend.renew(requests);
    },
  });
  const lease = await manager({ backend: slow }).acquire("a", { ttlMs: 30_000, autoRenew: false });
  const renewing = lease.renew({ ttlMs: 1_000 });
  await clock.advance(4_000);
  await renewing;
  expect(lease.remainingMs()).toBe(30_000 - 301 - 4_000);
});

test("the automatic renewal waits for an explicit one under way", async () => {
  const { manager, backend, clock } = world();
  const counts: (number | undefined)[] = [];
  const slow = meddled(backend, {
    renew: async (requests) => {
      counts.push(requests[0]?.renewal);
      await new Promise<void>((resolve) => clock.schedule(3_000, resolve));
      return backend.renew(requests);
    },
  });
  const lease = await manager({ backend: slow }).acquire("a", { ttlMs: 30_000 });
  await clock.advance(9_000);
  const renewing = lease.renew({ ttlMs: 60_000 });
  await clock.advance(3_000);
  await renewing;
  expect(counts).toEqual([1]);
  expect(lease.lease.renewals).toBe(1);
  expect(lease.remainingMs()).toBeGreaterThan(55_000);
});

test("asking a suspect lease again and again asks for no renewal that was not agreed on", async () => {
  const { manager, backend, clock } = world();
  let renewals = 0;
  const counted = meddled(backend, {
    renew: (requests) => {
      renewals += 1;
      return backend.renew(requests);
    },
  });
  const lease = await manager({ backend: counted }).acquire("a", { maxRenewals: 0 });
  clock.suspend(120_000);
  for (let time = 0; time < 50; time += 1) {
    expect(lease.state).toBe("suspect");
    await clock.advance(10);
  }
  expect(renewals).toBe(0);
});

test("the holder is told of a loss before the lease is given back for others", async () => {
  const { manager, backend, clock } = world();
  const told: boolean[] = [];
  const spied = meddled(backend, {
    release: (requests) => {
      told.push(lease.signal.aborted);
      return backend.release(requests);
    },
  });
  const lease = await manager({ backend: spied }).acquire("a", { maxHoldMs: 5_000 });
  await clock.advance(5_000);
  expect(told).toEqual([true]);
});
