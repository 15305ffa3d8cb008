import { LeaseError } from "@lease/core";
import type { AcquireRequest, AcquireResult, RenewResult } from "@lease/core/backend";
import { expect, test } from "vitest";
import { meddled, rejection, settled, world } from "./support.js";

const unavailable = () => new LeaseError("BACKEND_UNAVAILABLE", "down");
const unknown = () => new LeaseError("OUTCOME_UNKNOWN", "reply lost");

test("a free resource is granted with a token and is held", async () => {
  const { manager } = world();
  const lease = await manager().acquire("src/app.ts", { reason: "rename", metadata: { pr: 7 } });
  expect(lease.isHeld()).toBe(true);
  expect(lease.state).toBe("held");
  expect(lease.token).toBeGreaterThan(0);
  expect(lease.claims).toEqual([{ resource: "src/app.ts", mode: "exclusive" }]);
  expect(lease.lease).toMatchObject({
    agentId: "alice",
    reason: "rename",
    metadata: { pr: 7 },
    ttlMs: 30_000,
  });
});

test("tryAcquire answers with a refusal that says who, why, how long, the position and what next", async () => {
  const { manager, live } = world();
  await manager({ agentId: "bob" }).acquire("src/**", { reason: "refactoring", ttlMs: 20_000 });
  const attempt = await manager().tryAcquire(["src/app.ts", "docs/readme.md"]);
  expect(attempt).toMatchObject({ granted: false, blockerCount: 1, position: 2, retryInMs: 20_000 });
  if (attempt.granted) return;
  expect(attempt.blockers[0]).toMatchObject({ agentId: "bob", reason: "refactoring", resource: "src/**" });
  expect(attempt.message).toBe(
    'Not granted: "src/app.ts", "docs/readme.md". bob holds "src/**" exclusive (reason: "refactoring"), for another 20 s unless renewed. You would be number 2 in the queue. Next: call acquire() with waitMs to queue, or ask again in 20 s.',
  );
  expect(await live()).toEqual(["bob active src/**"]);
});

test("tryAcquire gives the lease when it is free", async () => {
  const attempt = await world().manager().tryAcquire("a");
  expect(attempt.granted && attempt.lease.isHeld()).toBe(true);
});

test("a waiter gets its turn at the release, by one question", async () => {
  const { manager, backend } = world();
  const held = await manager({ agentId: "bob" }).acquire("a");
  const asked: string[] = [];
  const counting = meddled(backend, {
    acquire: (request) => {
      asked.push(request.wait);
      return backend.acquire(request);
    },
  });
  const waiting = manager({ backend: counting }).acquire("a");
  await settled();
  expect(asked).toHaveLength(1);
  await held.release();
  expect((await waiting).isHeld()).toBe(true);
  expect(asked).toHaveLength(2);
});

test("heartbeats keep the place in line for longer than it lives by itself", async () => {
  const { manager, clock, live } = world();
  const held = await manager({ agentId: "bob" }).acquire("a", { ttlMs: 20_000 });
  const waiting = manager().acquire("a", { waitMs: 120_000, waitTtlMs: 15_000 });
  await clock.advance(100_000);
  expect(await live()).toEqual(["bob active a", "alice pending a"]);
  await held.release();
  expect((await waiting).isHeld()).toBe(true);
});

test("a waiter learns that a dead holder's lease ran out, without being woken", async () => {
  const { manager, clock } = world();
  await manager({ agentId: "bob" }).acquire("a", { ttlMs: 4_000, autoRenew: false });
  const waiting = manager().acquire("a");
  await clock.advance(4_001);
  expect((await waiting).isHeld()).toBe(true);
});

test("when the time is over the error carries the blockers, and nothing is left in line", async () => {
  const { manager, clock, live } = world();
  await manager({ agentId: "bob" }).acquire("a", { reason: "deploy" });
  const waiting = rejection(manager().acquire("a", { waitMs: 10_000 }));
  await clock.advance(10_000);
  const error = await waiting;
  expect(error.code).toBe("LEASE_UNAVAILABLE");
  expect(error.details).toMatchObject({
    blockerCount: 1,
    position: 2,
    blockers: [{ agentId: "bob", reason: "deploy" }],
  });
  expect(error.message).toContain("Not granted after 10 s in the queue");
  expect(await live()).toEqual(["bob active a"]);
});

test("waitMs 0 asks once and throws", async () => {
  const { manager, live } = world();
  await manager({ agentId: "bob" }).acquire("a");
  expect((await rejection(manager().acquire("a", { waitMs: 0 }))).code).toBe("LEASE_UNAVAILABLE");
  expect(await live()).toEqual(["bob active a"]);
});

test("the deadline counts from the sending of the attempt that was answered, not from its reply", async () => {
  const { manager, backend, clock } = world();
  const slow = meddled(backend, {
    acquire: async (request) => {
      const result = await backend.acquire(request);
      await clockPause(clock, 4_000);
      return result;
    },
  });
  const acquiring = manager({ backend: slow }).acquire("a", { ttlMs: 10_000, autoRenew: false });
  await clock.advance(4_000);
  const lease = await acquiring;
  // 10 s less the margin (1 % and the clock's grain of 1 ms), less the 4 s that the answer took.
  expect(lease.remainingMs()).toBe(10_000 - 101 - 4_000);
});

test("an answer that arrives after its lease is over is asked for again", async () => {
  const { manager, backend, clock } = world();
  let calls = 0;
  const slowOnce = meddled(backend, {
    acquire: async (request) => {
      const result = await backend.acquire(request);
      calls += 1;
      if (calls === 1) await clockPause(clock, 5_000);
      return result;
    },
  });
  const acquiring = manager({ backend: slowOnce }).acquire("a", { ttlMs: 2_000 });
  await clock.advance(5_000);
  const lease = await acquiring;
  expect(calls).toBe(3); // the late one, the same id again (ended), a new id
  expect(lease.isHeld()).toBe(true);
});

test("a grant with nothing left, as a store without a clock answers a repeat, is renewed once and not asked for again", async () => {
  const { manager, backend, clock } = world();
  const calls: string[] = [];
  const clockless = meddled(backend, {
    acquire: async (request) => {
      calls.push("acquire");
      const result = await backend.acquire(request);
      if (result.status !== "granted") return result;
      return { ...result, repeated: true, lease: { ...result.lease, expiresInMs: 0 } };
    },
    renew: (requests) => {
      calls.push(`renew ${requests[0]?.renewal}`);
      return backend.renew(requests);
    },
  });
  const lease = await manager({ backend: clockless }).acquire("a", { ttlMs: 10_000 });
  expect(calls).toEqual(["acquire", "renew 1"]);
  expect(lease.remainingMs()).toBe(10_000 - 101);
  await clock.advance(4_000);
  expect(calls).toEqual(["acquire", "renew 1", "renew 2"]);
});

test.each([
  ["that may not be renewed", { maxRenewals: 0 }],
  ["whose renewal leaves no more", {}],
])("a grant with nothing left %s is asked for no more than twice", async (_, options) => {
  const { manager, backend, live } = world();
  let calls = 0;
  const nothingLeft = meddled(backend, {
    acquire: async (request) => {
      calls += 1;
      const result = await backend.acquire(request);
      if (result.status !== "granted") return result;
      return { ...result, lease: { ...result.lease, expiresInMs: 1 } };
    },
    renew: async (requests) => {
      calls += 1;
      const [result] = await backend.renew(requests);
      if (result?.status !== "renewed") return [result as RenewResult];
      return [{ ...result, lease: { ...result.lease, expiresInMs: 1 } }];
    },
  });
  const acquiring = manager({ backend: nothingLeft }).acquire("a", {
    waitMs: Number.POSITIVE_INFINITY,
    ...options,
  });
  expect(await rejection(acquiring)).toMatchObject({ code: "LEASE_LOST", details: { how: "deadline" } });
  expect(calls).toBe(3);
  expect(await live()).toEqual([]);
});

test("answers that always take longer than the TTL end in an error that says so, and leave nothing", async () => {
  const { manager, backend, clock, live } = world();
  const slow = meddled(backend, {
    acquire: async (request) => {
      const result = await backend.acquire(request);
      await clockPause(clock, 3_000);
      return result;
    },
  });
  const acquiring = rejection(manager({ backend: slow }).acquire("a", { ttlMs: 2_000, waitMs: 10_000 }));
  await clock.advance(60_000);
  expect(await acquiring).toMatchObject({ code: "LEASE_LOST", details: { how: "deadline" } });
  expect(await live()).toEqual([]);
});

test("a lost reply is asked for again with the same id: same lease, same token, and the id is buried at the end", async () => {
  const { manager, backend, clock } = world();
  const answers: AcquireResult[] = [];
  const asked: AcquireRequest[] = [];
  const lossy = meddled(backend, {
    acquire: async (request) => {
      asked.push(request);
      answers.push(await backend.acquire(request));
      if (asked.length === 1) throw unknown();
      return answers.at(-1) as AcquireResult;
    },
  });
  const acquiring = manager({ backend: lossy }).acquire("a");
  await clock.advance(1_000);
  const lease = await acquiring;
  expect(asked.map(({ id }) => id)).toEqual([lease.id, lease.id]);
  expect(answers.map((answer) => answer.status === "granted" && answer.lease.token)).toEqual([
    lease.token,
    lease.token,
  ]);

  expect(await lease.release()).toBe("released");
  // The copy that may still be under way arrives: it starts no second life.
  expect(await backend.acquire(asked[0] as AcquireRequest)).toMatchObject({
    status: "ended",
    end: "released",
  });
});

test("a store that is away for a while is tried again until waitMs is over", async () => {
  const { manager, backend, clock } = world();
  const back = clock.now() + 5_000;
  const flaky = meddled(backend, {
    acquire: (request) => (clock.now() < back ? Promise.reject(unavailable()) : backend.acquire(request)),
  });
  const acquiring = manager({ backend: flaky }).acquire("a");
  await clock.advance(8_000);
  expect((await acquiring).isHeld()).toBe(true);

  const dead = meddled(backend, { acquire: () => Promise.reject(unavailable()) });
  const failing = rejection(manager({ backend: dead }).acquire("b", { waitMs: 3_000 }));
  await clock.advance(3_000);
  expect((await failing).code).toBe("BACKEND_UNAVAILABLE");
});

test("an error that will not pass is thrown at once", async () => {
  const { manager, backend } = world();
  const full = meddled(backend, { acquire: () => Promise.reject(new LeaseError("BACKEND_FULL", "no room")) });
  expect((await rejection(manager({ backend: full }).acquire("a"))).code).toBe("BACKEND_FULL");
  expect((await rejection(manager().acquire("./a"))).code).toBe("INVALID_ARGUMENT");
  expect((await rejection(manager().acquire("a", { ttlMs: -1 }))).details).toEqual({ field: "ttlMs" });
  expect((await rejection(manager().acquire("a", { waitMs: Number.NaN }))).details).toEqual({
    field: "waitMs",
  });
  expect((await rejection(manager().acquire("a", { maxHoldMs: 0 }))).details).toEqual({ field: "maxHoldMs" });
  expect((await rejection(manager().acquire(7 as never))).details).toEqual({ field: "resources" });
});

test("a hint that fails only costs speed: the heartbeat brings the grant", async () => {
  const { manager, backend, clock } = world();
  const held = await manager({ agentId: "bob" }).acquire("a");
  const deaf = meddled(backend, { turn: () => Promise.reject(unavailable()) });
  const waiting = manager({ backend: deaf }).acquire("a");
  await clock.advance(100);
  await held.release();
  await clock.advance(5_000);
  expect((await waiting).isHeld()).toBe(true);
});

test("a waiter that was stopped for longer than its place lived enters anew, at the tail", async () => {
  const { manager, backend, clock } = world();
  const held = await manager({ agentId: "bob" }).acquire("a");
  let asked = 0;
  const stopped = meddled(backend, {
    acquire: async (request) => {
      asked += 1;
      // Its first heartbeat leaves the process late.
      if (asked === 2) await clockPause(clock, 40_000);
      return backend.acquire(request);
    },
  });
  const waiting = manager({ backend: stopped }).acquire("a", { waitMs: 120_000, waitTtlMs: 15_000 });
  await clock.advance(1_000);
  const other = manager({ agentId: "carol" }).acquire("a", { waitMs: 120_000 });
  await clock.advance(40_000);
  await held.release();
  const carols = await other;
  expect(carols.isHeld()).toBe(true);
  await carols.release();
  await clock.advance(40_000);
  const lease = await waiting;
  expect(lease.token).toBeGreaterThan(carols.token);
});

test("a revoked request is told who and why, and does not ask again", async () => {
  const { manager, backend, clock, live } = world();
  await manager({ agentId: "bob" }).acquire("a");
  const waiting = rejection(manager().acquire("a"));
  await settled();
  const { leases } = await backend.list({ state: "pending" });
  const id = leases[0]?.id as string;
  await backend.release([{ kind: "revoke", id, by: "ops", reason: "stop", graceMs: 0 }]);
  await clock.advance(5_000);
  const error = await waiting;
  expect(error).toMatchObject({ code: "LEASE_LOST", details: { how: "revoked", by: "ops", reason: "stop" } });
  expect(await live()).toEqual(["bob active a"]);
});

test("two hundred waiters are served in the order of their arrival, with at most one question a release", async () => {
  const { manager, backend } = world();
  let asked = 0;
  const counting = meddled(backend, {
    acquire: (request) => {
      asked += 1;
      return backend.acquire(request);
    },
  });
  const leases = manager({ backend: counting });
  const first = await leases.acquire("a");
  const served: number[] = [];
  const waiters = Array.from({ length: 200 }, async (_, index) => {
    await leases.withLease("a", { waitMs: 60_000 }, () => void served.push(index));
  });
  await settled();
  expect(asked).toBe(201);
  await first.release();
  await Promise.all(waiters);
  expect(served).toEqual(Array.from({ length: 200 }, (_, index) => index));
  expect(asked).toBe(401);
});

function clockPause(clock: ReturnType<typeof world>["clock"], ms: number): Promise<void> {
  return new Promise((resolve) => clock.schedule(ms, resolve));
}
