import { type LeaseBackend, LeaseError } from "@lease/core";
import { expect, test } from "vitest";
import { instrumentManager } from "../src/index.js";
import { meddled, world } from "./support.js";

test("requests, what waits, what is held and for how long", async () => {
  const { manager, registry, clock, value, nonZero } = world();
  const leases = manager();
  instrumentManager(leases, { registry });
  const first = await leases.acquire("a");
  const waiting = leases.acquire("a");
  await clock.advance(3_000);
  expect(await value("lease_manager_waiting_requests")).toBe(1);
  expect(await value("lease_manager_held_leases")).toBe(1);
  await first.release();
  await waiting;
  await leases.tryAcquire("a");
  expect(await nonZero("lease_manager_requests_total")).toEqual({ granted: 2, refused: 1 });
  expect(await value("lease_manager_wait_duration_seconds_sum", { result: "granted" })).toBe(3);
  expect(await value("lease_manager_hold_duration_seconds_sum", { end: "released" })).toBe(3);
  expect(await value("lease_manager_waiting_requests")).toBe(0);
  await leases.close();
  expect(await value("lease_manager_held_leases")).toBe(0);
});

test("requests that fail are told apart: deadlock, aborted, closed, failed", async () => {
  const { manager, registry, clock, nonZero } = world();
  const leases = manager();
  instrumentManager(leases, { registry });
  const [a, b] = [await leases.acquire("a"), await leases.acquire("b")];
  const circle = a.acquire("b").catch(() => {});
  await clock.advance(0);
  await expect(b.acquire("a")).rejects.toMatchObject({ code: "LEASE_DEADLOCK" });
  const impatient = new AbortController();
  const aborted = leases.acquire("a", { signal: impatient.signal }).catch(() => {});
  await clock.advance(0);
  impatient.abort();
  await aborted;
  await expect(leases.acquire("../a")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await leases.close();
  await circle;
  expect(await nonZero("lease_manager_requests_total")).toEqual({
    granted: 2,
    deadlock: 1,
    aborted: 1,
    closed: 1,
    failed: 1,
  });
});

test("renewals and how late they were; losses by reason; leases asked back", async () => {
  const { manager, backend, registry, clock, value, nonZero } = world();
  let down = false;
  const flaky: LeaseBackend = meddled(backend, {
    renew: (requests) =>
      down ? Promise.reject(new LeaseError("BACKEND_UNAVAILABLE", "down")) : backend.renew(requests),
  });
  const leases = manager({ backend: flaky });
  instrumentManager(leases, { registry });
  const ops = { kind: "revoke", by: "ops", reason: null } as const;

  const [a, b] = [await leases.acquire("a"), await leases.acquire("b")];
  await leases.acquire("c", { maxHoldMs: 25_000, ttlMs: 40_000 });
  await leases.acquire("d", { maxRenewals: 0, ttlMs: 12_000 });
  await backend.release([{ ...ops, id: a.id, graceMs: 0 }]);
  await backend.release([{ ...ops, id: b.id, graceMs: 600_000 }]);
  await clock.advance(26_000);
  expect(await value("lease_manager_revoke_requests_total")).toBe(1);
  down = true;
  await clock.advance(60_000);
  expect(await nonZero("lease_manager_losses_total")).toEqual({
    revoked: 1,
    "max-hold": 1,
    "renewal-limit": 1,
    deadline: 1,
  });
  const renewed = await value("lease_manager_renewals_total", { result: "renewed" });
  expect(renewed).toBeGreaterThan(1);
  expect(await value("lease_manager_renewals_total", { result: "failed" })).toBeGreaterThan(1);
  expect(await value("lease_manager_renewal_lateness_seconds_count")).toBe(renewed);
  expect(await value("lease_manager_hold_duration_seconds_count", { end: "lost" })).toBe(4);
});

test("managers of one name add up; one that is let go takes its part with it", async () => {
  const { manager, registry, value } = world();
  const [one, two] = [manager(), manager({ agentId: "bob" })];
  await one.acquire("a");
  const stopOne = instrumentManager(one, { registry });
  instrumentManager(two, { registry });
  await two.acquire("b");
  expect(await value("lease_manager_held_leases")).toBe(2);
  stopOne();
  expect(await value("lease_manager_held_leases")).toBe(1);
  await one.close();
  await two.close();
  expect(await value("lease_manager_held_leases")).toBe(0);
});

test("a request that was under way before anybody counted makes no gauge negative", async () => {
  const { manager, registry, clock, value } = world();
  const leases = manager();
  const held = await leases.acquire("a");
  const waiting = leases.acquire("a");
  await clock.advance(0);
  instrumentManager(leases, { registry });
  await held.release();
  await waiting;
  expect(await value("lease_manager_waiting_requests")).toBe(0);
  expect(await value("lease_manager_held_leases")).toBe(1);
  await leases.close();
});
