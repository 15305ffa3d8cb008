/** The count of renewals: what the holder says, what the store counts, and what becomes of a difference. */
import { type LeaseBackend, LeaseError } from "@lease/core";
import type { RenewRequest, RenewResult } from "@lease/core/backend";
import { describe, expect, test } from "vitest";
import { meddled, rejection, type World, world } from "./support.js";

const unknown = () => new LeaseError("OUTCOME_UNKNOWN", "reply lost");

/** Remembers the count of every renewal, and lets `renew` decide what becomes of it. */
function counting(
  { backend }: World,
  renew: (requests: readonly RenewRequest[], call: number) => Promise<RenewResult[]> = (requests) =>
    backend.renew(requests),
): { readonly counted: LeaseBackend; readonly sent: (number | undefined)[] } {
  const sent: (number | undefined)[] = [];
  const counted = meddled(backend, {
    renew: (requests) => {
      sent.push(...requests.map(({ renewal }) => renewal));
      return renew(requests, sent.length);
    },
  });
  return { counted, sent };
}

/** A manager and what it notifies of. */
function observed(all: World, backend: LeaseBackend) {
  const leases = all.manager({ backend });
  const events: string[] = [];
  leases.observe((event) => {
    if (event.type === "renewal-failed") events.push((event.error as LeaseError).code);
    else if (event.type !== "requested") events.push(event.type);
  });
  return { leases, events };
}

describe("a count that is not the store's heals in one more call", () => {
  test("where another process renewed the lease: restarted at 1", async () => {
    const all = world();
    const { counted, sent } = counting(all);
    const { leases, events } = observed(all, counted);
    const lease = await leases.acquire("a", { ttlMs: 30_000 });
    const { id, agentId } = lease;
    for (const renewal of [1, 2, 3, 4]) await all.backend.renew([{ id, agentId, renewal, ttlMs: 1 }]);
    await all.clock.advance(10_000);
    expect(sent).toEqual([1, 5]);
    expect(lease.lease.renewals).toBe(5);
    expect(lease.remainingMs()).toBeGreaterThan(29_000);
    await all.clock.advance(10_000);
    expect(sent).toEqual([1, 5, 6]);
    expect(events).toEqual(["granted", "renewed", "renewed"]);
  });

  test("where the store lost a renewal", async () => {
    const all = world();
    const { counted, sent } = counting(all, async (requests, call) => {
      const results = await all.backend.renew(requests);
      // Answered, and then lost with the store's last second.
      return call === 1 ? results.map((result) => withCount(result, 7)) : results;
    });
    const { leases, events } = observed(all, counted);
    const lease = await leases.acquire("a", { ttlMs: 30_000 });
    await all.clock.advance(20_000);
    expect(sent).toEqual([1, 8, 2]);
    expect(lease.lease.renewals).toBe(2);
    expect(lease.remainingMs()).toBeGreaterThan(29_000);
    expect(events).toEqual(["granted", "renewed", "renewed"]);
  });
});

test("a second stray count in a row is notified as a failed renewal, and is no loss", async () => {
  const all = world();
  const { counted, sent } = counting(all, async (requests) => {
    // Another process renews just before each of ours.
    for (const { id, agentId } of requests) await all.backend.renew([{ id, agentId }]);
    return all.backend.renew(requests);
  });
  const { leases, events } = observed(all, counted);
  const lease = await leases.acquire("a", { ttlMs: 30_000 });
  await all.clock.advance(10_000);
  expect(sent).toEqual([1, 2]);
  expect(events).toEqual(["granted", "RENEWAL_OUT_OF_ORDER"]);
  expect(lease.isHeld()).toBe(true);
  await all.clock.advance(10_000);
  // By schedule, and not at once again.
  expect(sent).toEqual([1, 2, 3]);
  const error = await rejection(lease.renew());
  expect(error).toMatchObject({ code: "RENEWAL_OUT_OF_ORDER", details: { leaseId: lease.id } });
  expect(error.message).toContain("Another process renews the lease");
  expect(lease.loss).toBeNull();
  expect(lease.isHeld()).toBe(true);
});

test("a lost reply, then renew({ ttlMs }): the whole time is there", async () => {
  const all = world();
  const { counted, sent } = counting(all, async (requests, call) => {
    const results = await all.backend.renew(requests);
    if (call === 1) throw unknown();
    return results;
  });
  const { leases, events } = observed(all, counted);
  const lease = await leases.acquire("a", { ttlMs: 30_000, autoRenew: false });
  await all.clock.advance(1_000);
  await rejection(lease.renew());
  await all.clock.advance(1_000);
  await lease.renew({ ttlMs: 300_000 });
  expect(sent).toEqual([1, 1, 2]);
  expect(lease.remainingMs()).toBeGreaterThan(290_000);
  expect(events).toEqual(["granted", "OUTCOME_UNKNOWN", "renewed", "renewed"]);
});

test("a repeat of a renewal whose reply was lost is nothing to heal", async () => {
  const all = world();
  const { counted, sent } = counting(all, async (requests, call) => {
    const results = await all.backend.renew(requests);
    if (call === 1) throw unknown();
    return results;
  });
  const { leases, events } = observed(all, counted);
  await leases.acquire("a", { ttlMs: 30_000, maxRenewals: 2 });
  await all.clock.advance(10_100);
  expect(sent).toEqual([1, 1]);
  expect(events).toEqual(["granted", "OUTCOME_UNKNOWN", "renewed"]);
});

test("a store without space counts nothing: the count is said again, by schedule", async () => {
  const all = world();
  let isFull = true;
  const { counted, sent } = counting(all, async (requests) => {
    if (!isFull) return all.backend.renew(requests);
    const { leases } = await all.backend.list({ ids: requests.map(({ id }) => id) });
    return leases.map((lease) => ({ status: "renewed", lease, repeated: true }));
  });
  const { leases, events } = observed(all, counted);
  const lease = await leases.acquire("a", { ttlMs: 30_000, maxRenewals: 5 });
  await all.clock.advance(10_000);
  expect(sent).toEqual([1]);
  isFull = false;
  await all.clock.advance(10_000);
  expect(sent.slice(0, 2)).toEqual([1, 1]);
  expect(lease.lease.renewals).toBeGreaterThan(0);
  expect(events).not.toContain("RENEWAL_OUT_OF_ORDER");
});

test("renew({ ttlMs }) whose answer was lost may keep the lease for the longer time: its end is tried for as long", async () => {
  const all = world();
  let isAway = false;
  const lossy = meddled(all.backend, {
    renew: async (requests) => {
      await all.backend.renew(requests);
      isAway = true;
      throw unknown();
    },
    release: (requests) => (isAway ? Promise.reject(unknown()) : all.backend.release(requests)),
  });
  const lease = await all.manager({ backend: lossy }).acquire("a", { ttlMs: 5_000, autoRenew: false });
  await rejection(lease.renew({ ttlMs: 600_000 }));
  await all.clock.advance(60_000);
  expect(lease.loss).toMatchObject({ details: { how: "deadline" } });
  expect(await all.live()).toEqual(["alice active a"]);
  isAway = false;
  await all.clock.advance(2_000);
  expect(await all.live()).toEqual([]);
});

test("so may one that is still under way when the lease is lost", async () => {
  const all = world();
  let isAway = true;
  const slow = meddled(all.backend, {
    renew: async (requests) => {
      await all.backend.renew(requests);
      await new Promise<void>((resolve) => all.clock.schedule(30_000, resolve));
      throw unknown();
    },
    release: (requests) => (isAway ? Promise.reject(unknown()) : all.backend.release(requests)),
  });
  const lease = await all.manager({ backend: slow }).acquire("a", { ttlMs: 5_000, autoRenew: false });
  const renewing = rejection(lease.renew({ ttlMs: 600_000 }));
  await all.clock.advance(20_000);
  expect(lease.loss).toMatchObject({ details: { how: "deadline" } });
  expect(await all.live()).toEqual(["alice active a"]);
  isAway = false;
  await all.clock.advance(10_000);
  await renewing;
  expect(await all.live()).toEqual([]);
});

function withCount(result: RenewResult, renewals: number): RenewResult {
  return result.status === "renewed" ? { ...result, lease: { ...result.lease, renewals } } : result;
}
