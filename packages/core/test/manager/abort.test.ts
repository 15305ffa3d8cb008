import { getEventListeners } from "node:events";
import { createLeaseId, type LeaseBackend, LeaseError, waitForLease } from "@lease/core";
import type { AcquireRequest } from "@lease/core/backend";
import { describe, expect, test } from "vitest";
// By path: as a dependency of core, @lease/testing would close a circle of packages.
import { FeedAudit } from "../../../testing/src/audit.js";
import { meddled, rejection, settled, type World, world } from "./support.js";

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

test.each(["request", "reply"])(
  "an abort while the first attempt is under way is answered at once and takes nothing (%s slow)",
  async (on) => {
    const { manager, backend, live, clock } = world();
    const later = () => new Promise<void>((resolve) => clock.schedule(20_000, resolve));
    const slow = meddled(backend, {
      acquire: async (request) => {
        if (on === "request") await later();
        const result = await backend.acquire(request);
        if (on === "reply") await later();
        return result;
      },
    });
    const controller = new AbortController();
    const acquiring = rejection(manager({ backend: slow }).acquire("a", { signal: controller.signal }));
    await settled();
    controller.abort(new Error("stop"));
    expect((await acquiring).message).toBe("stop");
    expect(await live()).toEqual([]);
    await clock.advance(20_000);
    expect(await live()).toEqual([]);
    expect(clock.timers).toBe(0);
  },
);

test("an id that its caller chose is not buried by an abort: its attempt is awaited, then released", async () => {
  const { backend, live, clock } = world();
  const kinds: string[] = [];
  const slow = meddled(backend, {
    acquire: async (request) => {
      await new Promise<void>((resolve) => clock.schedule(300, resolve));
      return backend.acquire(request);
    },
    release: (requests) => {
      kinds.push(...requests.map(({ kind }) => kind));
      return backend.release(requests);
    },
  });
  const asking = {
    ...{ id: createLeaseId(), agentId: "alice", ttlMs: 10_000, waitTtlMs: 5_000 },
    claims: [{ resource: "a", mode: "exclusive" as const }],
    ...{ maxRenewals: null, holding: [], reason: null, metadata: null },
  };
  const context = { backend: slow, clock, createId: null, random: () => 0, onCleanup: () => {} };
  const controller = new AbortController();
  const asked = rejection(waitForLease(context, asking, { waitMs: 0, signal: controller.signal }));
  await settled();
  controller.abort(new Error("gone"));
  await clock.advance(300);
  expect((await asked).message).toBe("gone");
  expect(kinds).toEqual(["release"]);
  expect(await live()).toEqual([]);
  const again = waitForLease(context, asking, { waitMs: 0 });
  await clock.advance(300);
  expect((await again).status).toBe("granted");
});

describe("a request that failed has left the queue when it rejects", () => {
  const slowRelease = ({ backend, clock }: World, ms: number) =>
    meddled(backend, {
      release: async (requests) => {
        await new Promise<void>((resolve) => clock.schedule(ms, resolve));
        return backend.release(requests);
      },
    });

  test("so that what others ask for in the same moment is free", async () => {
    const all = world();
    const { manager, live, clock } = all;
    const held = await manager({ agentId: "bob" }).acquire("a");
    const controller = new AbortController();
    const leases = manager({ backend: slowRelease(all, 300) });
    let seen: string[] | undefined;
    const waiting = leases.acquire("a", { signal: controller.signal }).catch(async () => {
      seen = await live();
    });
    await settled();
    controller.abort();
    await clock.advance(299);
    expect(seen).toBeUndefined();
    await clock.advance(1);
    await waiting;
    expect(seen).toEqual(["bob active a"]);
    await held.release();
    expect((await manager({ agentId: "carol" }).tryAcquire("a")).granted).toBe(true);
  });

  test("also where the turn was handed to it meanwhile", async () => {
    const { manager, backend, live } = world();
    const held = await manager({ agentId: "bob" }).acquire("a");
    const controller = new AbortController();
    const handing = meddled(backend, {
      // As a store that hands over does: the grant is made before the waiter asks.
      turn: async (wait) => {
        await backend.turn(wait);
        if (!controller.signal.aborted) return;
        await backend.acquire(asked[0] as AcquireRequest);
      },
      acquire: (request) => {
        asked.push(request);
        return backend.acquire(request);
      },
    });
    const asked: AcquireRequest[] = [];
    const waiting = rejection(manager({ backend: handing }).acquire("a", { signal: controller.signal }));
    await settled();
    const released = held.release();
    controller.abort(new Error("stop"));
    await released;
    expect((await waiting).message).toBe("stop");
    expect(await live()).toEqual([]);
  });

  test("but a store that is away keeps it a second, no longer, and it is tried on", async () => {
    const all = world();
    const { manager, live, clock } = all;
    await manager({ agentId: "bob" }).acquire("a");
    const controller = new AbortController();
    const leases = manager({ backend: slowRelease(all, 5_000) });
    let isOver = false;
    const waiting = leases.acquire("a", { signal: controller.signal }).catch(() => {
      isOver = true;
    });
    await settled();
    controller.abort();
    await clock.advance(999);
    expect(isOver).toBe(false);
    await clock.advance(1);
    await waiting;
    expect(await live()).toEqual(["bob active a", "alice pending a"]);
    await clock.advance(4_000);
    expect(await live()).toEqual(["bob active a"]);
  });
});

describe("an id whose caller was refused has no second life", () => {
  /** The first attempt hangs on its way; the others arrive. */
  const lateFirst = ({ backend, clock }: World, release: LeaseBackend["release"]) => {
    const late: AcquireRequest[] = [];
    const network = meddled(backend, {
      acquire: (request) => {
        if (late.length > 0) return backend.acquire(request);
        late.push(request);
        return Promise.reject(new LeaseError("OUTCOME_UNKNOWN", "no reply"));
      },
      release: async (requests) => {
        await new Promise<void>((resolve) => clock.schedule(400, resolve));
        return release(requests);
      },
    });
    return { network, late };
  };

  test("where a late copy of its first attempt arrives as soon as it is refused", async () => {
    const all = world();
    const { manager, backend, clock, live } = all;
    const held = await manager({ agentId: "bob" }).acquire("a");
    const { network, late } = lateFirst(all, backend.release);
    const refused = rejection(manager({ backend: network }).acquire("a", { waitMs: 1_000 }));
    const copy = refused.then(async () => {
      await held.release();
      return backend.acquire(late[0] as AcquireRequest);
    });
    await clock.advance(2_000);
    expect((await refused).code).toBe("LEASE_UNAVAILABLE");
    expect(await copy).toMatchObject({ status: "ended" });
    expect(await live()).toEqual([]);
  });

  test("where a late copy arrives between the refusal and the abandon", async () => {
    const all = world();
    const { manager, backend, clock, live } = all;
    const held = await manager({ agentId: "bob" }).acquire("a");
    const { network, late } = lateFirst(all, async (requests) => {
      await held.release();
      await backend.acquire(late[0] as AcquireRequest);
      return backend.release(requests);
    });
    const refused = rejection(manager({ backend: network }).acquire("a", { waitMs: 1_000 }));
    await clock.advance(2_000);
    expect((await refused).code).toBe("LEASE_UNAVAILABLE");
    expect(await live()).toEqual([]);
    const audit = new FeedAudit();
    for await (const event of backend.changes({})) audit.add(event);
  });

  test("and where the store does not confirm that, the caller is not told that it was refused", async () => {
    const all = world();
    const { manager, backend, clock, live } = all;
    await manager({ agentId: "bob" }).acquire("a");
    let isAway = true;
    const { network } = lateFirst(all, (requests) =>
      isAway ? Promise.reject(new LeaseError("BACKEND_UNAVAILABLE", "down")) : backend.release(requests),
    );
    const asking = rejection(manager({ backend: network }).acquire("a", { waitMs: 1_000 }));
    await clock.advance(2_000);
    expect(await asking).toMatchObject({
      code: "OUTCOME_UNKNOWN",
      message: expect.stringContaining("refused, but an earlier attempt of it was never answered"),
    });
    isAway = false;
    await clock.advance(4_000);
    expect(await live()).toEqual(["bob active a"]);
    expect(clock.timers).toBe(2);
  });
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

test("an abort in the moment in which a grant came too late is not kept waiting by its renewal", async () => {
  // How many microtasks later than the answer: in one of them the manager has taken it, and has not gone on yet.
  for (let later = 0; later < 12; later += 1) {
    const { manager, backend, clock, live } = world();
    const controller = new AbortController();
    const slow = meddled(backend, {
      acquire: async (request) => {
        const result = await backend.acquire(request);
        await new Promise<void>((resolve) => clock.schedule(999, resolve));
        void (async () => {
          for (let passed = 0; passed < later; passed += 1) await null;
          controller.abort(new Error("stop"));
        })();
        return result;
      },
      renew: () => new Promise(() => {}),
    });
    let outcome: unknown;
    void rejection(manager({ backend: slow }).acquire("a", { ttlMs: 1_000, signal: controller.signal })).then(
      (error) => {
        outcome = error.message;
      },
    );
    await settled();
    await clock.advance(999);
    await settled();
    expect(outcome, `${later} microtasks later`).toBe("stop");
    expect(await live()).toEqual([]);
  }
});
