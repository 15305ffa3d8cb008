import { LeaseError } from "@lease/core";
import { describe, expect, test } from "vitest";
import { meddled, rejection, settled, world } from "./support.js";

const unavailable = () => new LeaseError("BACKEND_UNAVAILABLE", "down");

test("release gives the lease back, once, and says so", async () => {
  const { manager, live } = world();
  const lease = await manager().acquire("a");
  expect(await Promise.all([lease.release(), lease.release()])).toEqual(["released", "released"]);
  expect(lease.state).toBe("ended");
  expect(lease.isHeld()).toBe(false);
  expect(() => lease.assertHeld()).toThrow("was released");
  expect(lease.signal.aborted).toBe(false);
  expect(await live()).toEqual([]);
});

test("await using releases at the end of the block", async () => {
  const { manager, live } = world();
  {
    await using lease = await manager().acquire("a");
    expect(lease.isHeld()).toBe(true);
  }
  expect(await live()).toEqual([]);
});

test("release goes on trying until the deadline and then says that nobody confirmed it", async () => {
  const { manager, backend, clock } = world();
  const cut = meddled(backend, { release: () => Promise.reject(unavailable()) });
  const lease = await manager({ backend: cut }).acquire("a", { ttlMs: 10_000 });
  const releasing = lease.release();
  await clock.advance(9_899);
  expect(await releasing).toBe("unconfirmed");
});

test("release is bounded by the deadline also when the backend never answers", async () => {
  const { manager, backend, clock } = world();
  const hung = meddled(backend, { release: () => new Promise(() => {}) });
  const lease = await manager({ backend: hung }).acquire("a", { ttlMs: 10_000 });
  const releasing = lease.release();
  await clock.advance(9_899);
  expect(await releasing).toBe("unconfirmed");
});

describe("a release that nobody confirmed in time goes on for as long as the store may keep the lease", () => {
  test("where maxHoldMs ended the belief early", async () => {
    const { manager, backend, clock, live } = world();
    let isAway = true;
    const cut = meddled(backend, {
      release: (requests) => (isAway ? Promise.reject(unavailable()) : backend.release(requests)),
    });
    const lease = await manager({ backend: cut }).acquire("a", { ttlMs: 60_000, maxHoldMs: 1_000 });
    await clock.advance(900);
    const releasing = lease.release();
    await clock.advance(100);
    expect(await releasing).toBe("unconfirmed");
    isAway = false;
    await clock.advance(2_000);
    expect(await live()).toEqual([]);
    expect(clock.timers).toBe(0);
  });

  test("where it was lost after a renewal for longer than its TTL", async () => {
    const { manager, backend, clock, live } = world();
    let isAway = true;
    const cut = meddled(backend, {
      release: (requests) => (isAway ? Promise.reject(unavailable()) : backend.release(requests)),
    });
    const lease = await manager({ backend: cut }).acquire("a", { ttlMs: 10_000, maxHoldMs: 20_000 });
    await lease.renew({ ttlMs: 300_000 });
    await clock.advance(20_000);
    expect(lease.loss).toMatchObject({ details: { how: "max-hold" } });
    await clock.advance(30_000);
    isAway = false;
    await clock.advance(2_000);
    expect(await live()).toEqual([]);
  });

  test("where a renewal arrived whose answer did not", async () => {
    const { manager, backend, clock, live } = world();
    let isAway = false;
    const cut = meddled(backend, {
      renew: async (requests) => {
        await backend.renew(requests);
        isAway = true;
        await new Promise<void>((resolve) => clock.schedule(6_500, resolve));
        throw new LeaseError("OUTCOME_UNKNOWN", "no answer");
      },
      release: (requests) => (isAway ? Promise.reject(unavailable()) : backend.release(requests)),
    });
    const lease = await manager({ backend: cut }).acquire("a", { ttlMs: 9_000 });
    await clock.advance(4_000);
    const releasing = lease.release();
    await clock.advance(6_000);
    expect(await releasing).toBe("unconfirmed");
    expect(await live()).toEqual(["alice active a"]);
    isAway = false;
    await clock.advance(1_000);
    expect(await live()).toEqual([]);
  });
});

test("release awaits a renewal in flight", async () => {
  const { manager, backend, clock } = world();
  const order: string[] = [];
  const slow = meddled(backend, {
    renew: async (requests) => {
      await new Promise<void>((resolve) => clock.schedule(2_000, resolve));
      order.push("renewed");
      return backend.renew(requests);
    },
    release: (requests) => {
      order.push("released");
      return backend.release(requests);
    },
  });
  const lease = await manager({ backend: slow }).acquire("a", { ttlMs: 30_000 });
  await clock.advance(10_000);
  const releasing = lease.release();
  await clock.advance(2_000);
  expect(await releasing).toBe("released");
  expect(order).toEqual(["renewed", "released"]);
});

test("a lease released by who hears that it is asked back leaves no timer, and no word of it comes after its end", async () => {
  const { manager, backend, clock, live } = world();
  const leases = manager();
  const told: string[] = [];
  leases.observe(({ type }) => told.push(type));
  const lease = await leases.acquire("a", { ttlMs: 30_000 });
  lease.onRevokeRequested(() => void lease.release());
  await backend.release([{ kind: "revoke", id: lease.id, by: "ops", reason: null, graceMs: 20_000 }]);
  await clock.advance(10_000);
  expect(await live()).toEqual([]);
  expect(clock.timers).toBe(0);
  expect(told).toEqual(["requested", "granted", "renewed", "revoke-requested", "ended"]);
});

test("who hears that a lease is asked back can go by the renewal that told it, however late its answer", async () => {
  const { manager, backend, clock } = world();
  const late = meddled(backend, {
    // Answered past the deadline, with all timers late, as after a stop of the process.
    renew: async (requests) => {
      const results = await backend.renew(requests.map((request) => ({ ...request, ttlMs: 60_000 })));
      await clock.advance(25_000);
      return results;
    },
  });
  const blocked = { ...clock, schedule: () => () => {} };
  const lease = await manager({ backend: late, clock: blocked }).acquire("a", { ttlMs: 30_000 });
  await backend.release([{ kind: "revoke", id: lease.id, by: "ops", reason: null, graceMs: 50_000 }]);
  await clock.advance(10_000);
  const held: boolean[] = [];
  lease.onRevokeRequested(() => void held.push(lease.isHeld()));
  await lease.renew();
  expect(held).toEqual([true]);
});

test("a lost lease was given back already", async () => {
  const { manager, backend, clock, live } = world();
  const cut = meddled(backend, { renew: () => Promise.reject(unavailable()) });
  const lease = await manager({ backend: cut }).acquire("a", { ttlMs: 10_000 });
  await clock.advance(9_899);
  expect(lease.state).toBe("lost");
  expect(await live()).toEqual([]); // 101 ms before the backend would have ended it
  expect(await lease.release()).toBe("gone");
});

test("withLease gives what the work gave, and releases", async () => {
  const { manager, live } = world();
  expect(await manager().withLease("a", (lease) => lease.token > 0)).toBe(true);
  expect(await live()).toEqual([]);
});

test("withLease never masks the error of the work, whatever becomes of the lease", async () => {
  const { manager, backend, clock } = world();
  const cut = meddled(backend, {
    release: () => Promise.reject(unavailable()),
    renew: () => Promise.reject(unavailable()),
  });
  const failing = manager({ backend: cut }).withLease("a", { ttlMs: 10_000 }, async () => {
    await new Promise<void>((resolve) => clock.schedule(20_000, resolve));
    throw new Error("mine");
  });
  const error = rejection(failing);
  await clock.advance(60_000);
  expect((await error).message).toBe("mine");
});

test("withLease tells when the work went on without protection", async () => {
  const { manager, backend, clock } = world();
  const cut = meddled(backend, { renew: () => Promise.reject(unavailable()) });
  const working = rejection(
    manager({ backend: cut }).withLease("a", { ttlMs: 10_000 }, async () => {
      await new Promise<void>((resolve) => clock.schedule(20_000, resolve));
    }),
  );
  await clock.advance(20_000);
  expect((await working).code).toBe("LEASE_LOST");
});

test("close releases all that is held, ends waits with CLOSED, and leaves no timer", async () => {
  const { manager, clock, live } = world();
  const leases = manager();
  await leases.acquire("a");
  await leases.acquire("b");
  expect(leases.held).toHaveLength(2);
  const waiting = rejection(leases.acquire("a"));
  await settled();
  await leases.close();
  await leases.close();
  expect((await waiting).code).toBe("CLOSED");
  expect(leases.held).toHaveLength(0);
  expect(await live()).toEqual([]);
  expect(clock.timers).toBe(0);
  expect((await rejection(leases.acquire("c"))).code).toBe("CLOSED");
});

test("work that goes on when the manager closes is told, and does not end as if it had been protected", async () => {
  const { manager, clock } = world();
  const leases = manager();
  const working = rejection(
    leases.withLease("a", async (lease) => {
      await new Promise<void>((resolve) => lease.signal.addEventListener("abort", () => resolve()));
      expect(lease.signal.reason).toMatchObject({ code: "CLOSED" });
      return "done";
    }),
  );
  await settled();
  await leases.close();
  expect((await working).code).toBe("CLOSED");
  expect(clock.timers).toBe(0);
});

test("a lease that its holder released before the work ended is the holder's own affair", async () => {
  const { manager } = world();
  const done = await manager().withLease("a", async (lease) => {
    await lease.release();
    return "done";
  });
  expect(done).toBe("done");
});

test("close waits for what aborted requests left", async () => {
  const { manager, backend, clock, live } = world();
  const slow = meddled(backend, {
    release: async (requests) => {
      await new Promise<void>((resolve) => clock.schedule(3_000, resolve));
      return backend.release(requests);
    },
  });
  await manager({ agentId: "bob" }).acquire("a");
  const leases = manager({ backend: slow });
  const acquiring = rejection(leases.acquire("a"));
  await settled();
  let isClosed = false;
  const closing = leases.close().then(() => {
    isClosed = true;
  });
  await clock.advance(1_000);
  expect((await acquiring).code).toBe("CLOSED");
  await clock.advance(1_999);
  expect(isClosed).toBe(false);
  await clock.advance(1);
  await closing;
  expect(await live()).toEqual(["bob active a"]);
});

test("closed at any moment around a grant, nothing stays held", async () => {
  for (let moment = 0; moment < 20; moment += 1) {
    const { manager, live } = world();
    const leases = manager();
    const acquiring = leases.acquire("a").then(
      (lease) => () => lease.state,
      (error) => () => error.code,
    );
    for (let turn = 0; turn < moment; turn += 1) await Promise.resolve();
    await leases.close();
    expect(["CLOSED", "ended"]).toContain((await acquiring)());
    expect(await live()).toEqual([]);
  }
});

test("close leaves the backend open, unless it is told to close it too", async () => {
  const { manager, backend } = world();
  const leases = manager();
  await leases.acquire("a");
  await leases.close();
  expect((await backend.list({})).leases).toEqual([]);
  await leases.close({ backend: true });
  expect((await rejection(backend.list({}))).code).toBe("CLOSED");
});

test("closing gives up on what a store that is away does not confirm", async () => {
  const { manager, backend, clock } = world();
  const cut = meddled(backend, { release: () => Promise.reject(unavailable()) });
  const leases = manager({ backend: cut });
  await leases.acquire("a", { ttlMs: 3_600_000 });
  let isClosed = false;
  const closing = leases.close({ withinMs: 5_000 }).then(() => {
    isClosed = true;
  });
  await clock.advance(4_999);
  expect(isClosed).toBe(false);
  await clock.advance(1);
  await closing;
  expect(clock.timers).toBe(0);
});

test("a manager can be used with await using", async () => {
  const { manager, live } = world();
  {
    await using leases = manager();
    await leases.acquire("a");
  }
  expect(await live()).toEqual([]);
});

test("a bad agent id is refused when the manager is made", () => {
  const { manager } = world();
  expect(() => manager({ agentId: "" })).toThrow(LeaseError);
});

describe("withLease after the machine slept past the deadline during the work", () => {
  test("and the store's clock went on: the work does not count as protected", async () => {
    const { manager, backend, clock } = world();
    const far = meddled(backend, {
      renew: async (requests) => requests.map(() => ({ status: "expired" as const })),
      release: async (requests) => requests.map(() => ({ status: "not-found" as const })),
    });
    const working = manager({ backend: far }).withLease("a", () => clock.suspend(60_000));
    expect(await rejection(working)).toMatchObject({ code: "LEASE_LOST", details: { how: "expired" } });
  });

  test("and the store cannot be asked: neither", async () => {
    const { manager, backend, clock } = world();
    const cut = meddled(backend, { renew: () => Promise.reject(unavailable()) });
    const working = manager({ backend: cut }).withLease("a", () => clock.suspend(60_000));
    expect(await rejection(working)).toMatchObject({ code: "LEASE_LOST", details: { how: "suspect" } });
  });

  test.each([undefined, 0])(
    "and the store says that it lives: all is well (maxRenewals %s)",
    async (maxRenewals) => {
      const { manager, clock, live } = world();
      const work = () => {
        clock.suspend(60_000);
        return "done";
      };
      expect(await manager().withLease("a", { maxRenewals }, work)).toBe("done");
      expect(await live()).toEqual([]);
    },
  );
});
