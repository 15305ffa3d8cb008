import { expect, test } from "vitest";
import { meddled, rejection, settled, world } from "./support.js";

test("drain refuses what waits and what is new, and lets what is held go on and renew", async () => {
  const { manager, clock, live } = world();
  const other = await manager({ agentId: "bob" }).acquire("b");
  const leases = manager();
  const lease = await leases.acquire("a", { ttlMs: 30_000 });
  const waiting = rejection(leases.acquire("b"));
  const more = rejection(lease.acquire("b"));
  await settled();
  let drained = false;
  const draining = leases.drain().then(() => {
    drained = true;
  });
  expect((await waiting).code).toBe("CLOSED");
  expect((await more).code).toBe("CLOSED");
  expect((await rejection(leases.tryAcquire("c"))).code).toBe("CLOSED");
  await other.release();
  await clock.advance(300_000);
  expect(lease.isHeld()).toBe(true);
  expect(drained).toBe(false);
  await lease.release();
  await draining;
  expect(await live()).toEqual([]);
  await leases.close();
});

test("drain ends when its signal aborts; close then releases what is left", async () => {
  const { manager, clock, live } = world();
  const leases = manager();
  await leases.acquire("a");
  const patience = new AbortController();
  const draining = leases.drain({ signal: patience.signal });
  await clock.advance(1_000);
  patience.abort();
  await draining;
  await leases.drain({ signal: patience.signal });
  expect(leases.held).toHaveLength(1);
  await leases.close();
  expect(await live()).toEqual([]);
  expect(clock.timers).toBe(0);
});

test("drain of a manager that holds nothing ends at once, also a second time", async () => {
  const leases = world().manager();
  await leases.drain();
  await leases.drain();
  expect((await rejection(leases.acquire("a"))).code).toBe("CLOSED");
});

test("a lost lease counts as ended", async () => {
  const { manager, backend, clock } = world();
  const leases = manager({ followLosses: true });
  const lease = await leases.acquire("a");
  const draining = leases.drain();
  await clock.advance(100);
  await backend.release([{ kind: "revoke", id: lease.id, by: "ops", reason: null, graceMs: 0 }]);
  await draining;
  expect(lease.state).toBe("lost");
  await leases.close();
});

test("a grant on its way while drain begins is given back", async () => {
  const { manager, backend, clock, live } = world();
  const slow = meddled(backend, {
    acquire: async (request) => {
      const answer = await backend.acquire(request);
      await new Promise<void>((resolve) => clock.schedule(1_000, resolve));
      return answer;
    },
  });
  const leases = manager({ backend: slow });
  const acquiring = rejection(leases.acquire("a"));
  await settled();
  await leases.drain();
  expect((await acquiring).code).toBe("CLOSED");
  const closing = leases.close();
  await clock.advance(1_000);
  await closing;
  expect(await live()).toEqual([]);
});
