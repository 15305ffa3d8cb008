import { getEventListeners } from "node:events";
import { LeaseError } from "@lease/core";
import type { AcquireRequest } from "@lease/core/backend";
import { expect, test } from "vitest";
import { meddled, rejection, settled, world } from "./support.js";

test("an aborted waiter is answered at once, with the signal's reason, and leaves the line", async () => {
  const { manager, live, clock } = world();
  await manager({ agentId: "bob" }).acquire("a");
  const controller = new AbortController();
  const waiting = rejection(manager().acquire("a", { signal: controller.signal }));
  await settled();
  expect(await live()).toEqual(["bob active a", "alice pending a"]);
  const reason = new Error("changed my mind");
  controller.abort(reason);
  expect(await waiting).toBe(reason);
  await settled();
  expect(await live()).toEqual(["bob active a"]);
  expect(clock.timers).toBe(2); // the deadline and the renewal of bob's lease
});

test("a signal that aborted before is heard before anything is asked", async () => {
  const { manager, backend } = world();
  const silent = meddled(backend, { acquire: () => Promise.reject(new Error("asked")) });
  const reason = new Error("too late");
  expect(
    await rejection(manager({ backend: silent }).acquire("a", { signal: AbortSignal.abort(reason) })),
  ).toBe(reason);
});

test("an abort while the very first question is under way is answered at once and gives back the grant", async () => {
  const { manager, backend, live, clock } = world();
  const slow = meddled(backend, {
    acquire: async (request) => {
      const result = await backend.acquire(request);
      await new Promise<void>((resolve) => clock.schedule(1_000, resolve));
      return result;
    },
  });
  const controller = new AbortController();
  const acquiring = rejection(manager({ backend: slow }).acquire("a", { signal: controller.signal }));
  await settled();
  controller.abort(new Error("stop"));
  expect((await acquiring).message).toBe("stop");
  expect(await live()).toEqual(["alice active a"]);
  await clock.advance(1_000);
  expect(await live()).toEqual([]);
});

test("an abort while an answer is missing buries the id, so that a late copy of the question takes nothing", async () => {
  const { manager, backend, live, clock } = world();
  const asked: AcquireRequest[] = [];
  const lost = meddled(backend, {
    // The question is still under way when its sender has given up on an answer.
    acquire: (request) => {
      asked.push(request);
      return Promise.reject(new LeaseError("OUTCOME_UNKNOWN", "no reply"));
    },
  });
  const controller = new AbortController();
  const acquiring = rejection(manager({ backend: lost }).acquire("a", { signal: controller.signal }));
  await clock.advance(500);
  controller.abort(new Error("stop"));
  await acquiring;
  await settled();
  expect(asked.length).toBeGreaterThan(1);
  for (const late of asked)
    expect(await backend.acquire(late)).toMatchObject({ status: "ended", end: "cancelled" });
  expect(await live()).toEqual([]);
});

test("a thousand aborts at random moments leave no lease behind", async () => {
  const { manager, backend, live } = world();
  // A few turns of the event loop pass inside and around each call, so that aborts fall everywhere.
  const jittery = meddled(backend, {
    acquire: async (request) => {
      await turns(Math.floor(Math.random() * 3));
      const result = await backend.acquire(request);
      await turns(Math.floor(Math.random() * 3));
      return result;
    },
  });
  const leases = manager({ backend: jittery });
  let granted = 0;
  let aborted = 0;
  const workers = Array.from({ length: 20 }, async () => {
    for (let round = 0; round < 50; round += 1) {
      const controller = new AbortController();
      const acquiring = leases.acquire("a", { signal: controller.signal });
      void turns(Math.floor(Math.random() * 12)).then(() => controller.abort(new Error("stop")));
      await acquiring.then(
        async (lease) => {
          granted += 1;
          await lease.release();
        },
        () => {
          aborted += 1;
        },
      );
    }
  });
  await Promise.all(workers);
  expect(granted + aborted).toBe(1_000);
  expect(aborted).toBeGreaterThan(100);
  expect(granted).toBeGreaterThan(10);
  await leases.close();
  expect(await live()).toEqual([]);
});

test("a signal that outlives thousands of requests keeps no listener of any of them", async () => {
  const { manager, backend, clock } = world();
  const { signal } = new AbortController();
  const leases = manager();
  await manager({ agentId: "bob" }).acquire("taken");
  const outcomes = { granted: 0, refused: 0, failed: 0 };
  const broken = manager({ backend: meddled(backend, { acquire: () => Promise.reject(new Error("no")) }) });
  for (let round = 0; round < 300; round += 1) {
    await (await leases.acquire("a", { signal })).release();
    outcomes.granted += 1;
    if (!(await leases.tryAcquire("taken", { signal })).granted) outcomes.refused += 1;
    await broken.acquire("b", { signal }).catch(() => {
      outcomes.failed += 1;
    });
  }
  expect(outcomes).toEqual({ granted: 300, refused: 300, failed: 300 });
  const waiting = rejection(leases.acquire("taken", { signal, waitMs: 10_000 }));
  await settled();
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
  await clock.advance(10_000);
  expect((await waiting).code).toBe("LEASE_UNAVAILABLE");
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
});

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}
