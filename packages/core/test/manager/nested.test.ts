/** Acquiring more while holding a lease, and what becomes of it when that lease is over. */
import { expect, test } from "vitest";
import { meddled, rejection, settled, world } from "./support.js";

test("nothing is acquired under a lease that was released", async () => {
  const { manager, backend, live } = world();
  const lease = await manager().acquire("a");
  await lease.release();
  const before = (await backend.list({})).cursor;
  expect(await rejection(lease.acquire("b"))).toMatchObject({
    code: "CLOSED",
    message: expect.stringContaining("was released"),
  });
  expect(await live()).toEqual([]);
  expect((await backend.list({})).cursor).toBe(before);
});

test("nothing is acquired under a lease that was lost: the caller learns how", async () => {
  const { manager, backend } = world();
  const lease = await manager().acquire("a");
  await backend.release([{ kind: "revoke", id: lease.id, by: "ops", reason: null, graceMs: 0 }]);
  await rejection(lease.renew());
  const refused = await rejection(lease.acquire("b"));
  expect(refused).toBe(lease.loss);
});

test("a lease that is lost while more is waited for ends the wait, with its loss, and leaves no place behind", async () => {
  const { manager, backend, clock, live } = world();
  await manager({ agentId: "bob" }).acquire("b");
  const lease = await manager().acquire("a");
  const waiting = rejection(lease.acquire("b", { waitMs: Number.POSITIVE_INFINITY }));
  await settled();
  expect(await live()).toEqual(["bob active b", "alice active a", "alice pending b"]);
  await backend.release([{ kind: "revoke", id: lease.id, by: "ops", reason: null, graceMs: 0 }]);
  await clock.advance(10_000);
  expect(await waiting).toBe(lease.loss);
  expect(lease.loss).toMatchObject({ details: { how: "revoked", by: "ops" } });
  expect(await live()).toEqual(["bob active b"]);
});

test("a lease that is released while more is waited for ends the wait, also one begun by its own child", async () => {
  const { manager, live } = world();
  await manager({ agentId: "bob" }).acquire("b");
  const lease = await manager().acquire("a");
  const waiting = rejection(lease.acquire("b"));
  await settled();
  await lease.release();
  expect((await waiting).code).toBe("CLOSED");
  await settled();
  expect(await live()).toEqual(["bob active b"]);
});

test("a grant that arrives after the deadline of the lease above, before any timer ran, is given back", async () => {
  const { manager, backend, clock, live } = world();
  // The event loop is blocked until both answers are there: no timer runs, and each call takes its time.
  const blocked = { ...clock, now: clock.now, wallNow: clock.wallNow, schedule: () => () => {} };
  const slow = meddled(backend, {
    acquire: async (request) => {
      const result = await backend.acquire(request);
      if (request.claims[0]?.resource === "b") await clock.advance(15_000);
      return result;
    },
  });
  const leases = manager({ backend: slow, clock: blocked });
  const lease = await leases.acquire("a", { ttlMs: 10_000, autoRenew: false });
  const error = await rejection(lease.acquire("b", { ttlMs: 60_000 }));
  expect(error).toMatchObject({ code: "LEASE_LOST", details: { how: "deadline", leaseId: lease.id } });
  await settled();
  expect(await live()).toEqual([]);
});
