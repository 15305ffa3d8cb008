/** Losses that a manager hears of by the change feed. */
import { LeaseError } from "@lease/core";
import { expect, test } from "vitest";
import { meddled, settled, world } from "./support.js";

const unavailable = () => new LeaseError("BACKEND_UNAVAILABLE", "down");

test("with followLosses a revoke is heard at once", async () => {
  const { manager, backend, clock } = world();
  const leases = manager({ followLosses: true });
  const lease = await leases.acquire("a", { ttlMs: 30_000 });
  const other = await leases.acquire("b", { ttlMs: 30_000 });
  await clock.advance(100);
  await backend.release([{ kind: "revoke", id: lease.id, by: "ops", reason: null, graceMs: 0 }]);
  await settled();
  expect(lease.loss).toMatchObject({ code: "LEASE_LOST", details: { how: "revoked", by: "ops" } });
  expect(other.isHeld()).toBe(true);
  await leases.close();
  expect(clock.timers).toBe(0);
});

test("where a store may end leases early, the feed is followed without being asked for", async () => {
  const { manager, backend, clock } = world();
  const early = { ...backend, limits: { ...backend.limits, mayEndEarly: true } };
  const leases = manager({ backend: early });
  const lease = await leases.acquire("a", { ttlMs: 30_000 });
  const quiet = manager({ backend: early, followLosses: false, agentId: "quiet" });
  const unheard = await quiet.acquire("b", { ttlMs: 30_000 });
  await clock.advance(100);
  for (const { id } of [lease, unheard]) {
    await backend.release([{ kind: "revoke", id, by: "ops", reason: null, graceMs: 0 }]);
  }
  await settled();
  expect([lease.isHeld(), unheard.isHeld()]).toEqual([false, true]);
  await leases.close();
  await quiet.close();
});

test("a feed that breaks is taken up again", async () => {
  const { manager, backend, clock } = world();
  let opened = 0;
  const breaking = meddled(backend, {
    async *changes(options) {
      opened += 1;
      if (opened === 1) throw unavailable();
      yield* backend.changes(options);
    },
  });
  const leases = manager({ backend: breaking, followLosses: true });
  const lease = await leases.acquire("a");
  await clock.advance(1_000);
  await backend.release([{ kind: "revoke", id: lease.id, by: "ops", reason: null, graceMs: 0 }]);
  await settled();
  expect(lease.state).toBe("lost");
  await leases.close();
});

test("what is over within a moment costs no follower", async () => {
  const { manager, backend, clock } = world();
  let opened = 0;
  const counted = meddled(backend, {
    changes(options) {
      opened += 1;
      return backend.changes(options);
    },
  });
  const leases = manager({ backend: counted, followLosses: true });
  for (let round = 0; round < 5; round += 1) {
    const lease = await leases.acquire("a");
    await clock.advance(50);
    await lease.release();
  }
  await clock.advance(1_000);
  expect(opened).toBe(0);
  expect(clock.timers).toBe(0);
});

test.each([
  { graceMs: 0, state: "lost" },
  { graceMs: 20_000, state: "held" },
])(
  "a revoke with grace $graceMs before the feed is followed is heard when it is",
  async ({ graceMs, state }) => {
    const { manager, backend, clock } = world();
    const leases = manager({ followLosses: true });
    const lease = await leases.acquire("a", { ttlMs: 30_000 });
    const other = await leases.acquire("b", { ttlMs: 30_000 });
    await backend.release([{ kind: "revoke", id: lease.id, by: "ops", reason: "deploy", graceMs }]);
    await clock.advance(50);
    expect([lease.state, lease.lease.revoking]).toEqual(["held", null]);
    await clock.advance(50);
    expect(lease.state).toBe(state);
    const told = state === "lost" ? lease.loss?.details : lease.lease.revoking;
    expect(told).toMatchObject({ by: "ops", reason: "deploy" });
    expect(other.state).toBe("held");
    await leases.close();
  },
);
