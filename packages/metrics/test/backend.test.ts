import { createLeaseId, LeaseError, memoryBackend } from "@lease/core";
import type { ReleaseRequest } from "@lease/core/backend";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { withMetrics } from "../src/index.js";
import { meddled, sumOf, world } from "./support.js";

const REQUEST = {
  agentId: "alice",
  ttlMs: 10_000,
  maxRenewals: null,
  wait: "no" as const,
  waitTtlMs: 15_000,
  holding: [],
  reason: null,
  metadata: null,
};
const asking = (resource: string, more: object = {}) => ({
  ...REQUEST,
  id: createLeaseId(),
  claims: [{ resource, mode: "exclusive" as const }],
  ...more,
});
const release = ({ id }: { id: string }): ReleaseRequest => ({ kind: "release", id, agentId: "alice" });

test("acquires are counted by result, conflicts once a request, the wait by the store's record", async () => {
  const { backend, clock, nonZero, value } = world();
  const first = asking("a");
  await backend.acquire(first);
  await backend.acquire(first);
  const waiter = asking("a", { wait: "queue" });
  await backend.acquire(waiter);
  await clock.advance(4_000);
  await backend.acquire(waiter);
  await backend.acquire(asking("a"));
  await backend.release([release(first)]);
  await backend.acquire(waiter);
  expect(await nonZero("lease_acquires_total")).toEqual({
    granted: 2,
    repeated: 1,
    queued: 1,
    waiting: 1,
    refused: 1,
  });
  expect(await value("lease_conflicts_total")).toBe(2);
  expect(await value("lease_wait_duration_seconds_count")).toBe(2);
  expect(await value("lease_wait_duration_seconds_sum")).toBe(4);
});

test("a waiter that gives up is one conflict, and the answer to its last question is refused", async () => {
  const { backend, nonZero, value } = world();
  await backend.acquire(asking("a"));
  const waiter = asking("a", { wait: "queue" });
  await backend.acquire(waiter);
  await backend.acquire({ ...waiter, wait: "no" });
  expect(await value("lease_conflicts_total")).toBe(1);
  expect(await nonZero("lease_acquires_total")).toEqual({ granted: 1, queued: 1, refused: 1 });
});

test("renewals and releases are counted by result, one for each lease of a batch", async () => {
  const { backend, clock, nonZero } = world();
  const [a, b] = [asking("a"), asking("b")];
  await backend.acquire(a);
  await backend.acquire(b);
  const renewals = [a, b].map(({ id, agentId }) => ({ id, agentId }));
  await backend.renew([...renewals, { id: createLeaseId(), agentId: "alice" }]);
  await backend.renew(renewals.slice(1).map((renewal) => ({ ...renewal, renewal: 1 })));
  await backend.renew(renewals.slice(1).map((renewal) => ({ ...renewal, renewal: 9 })));
  await backend.release([release(a), release(a)]);
  await clock.advance(10_001);
  await backend.renew(renewals.slice(1));
  expect(await nonZero("lease_renewals_total")).toEqual({
    renewed: 2,
    repeated: 1,
    "out-of-order": 1,
    "not-found": 1,
    expired: 1,
  });
  expect(await nonZero("lease_releases_total")).toEqual({ released: 1, "not-found": 1 });
});

test("hold times are told by how the lease ended, at most for as long as it lived", async () => {
  const { backend, clock, value } = world();
  const [released, revoked, swept, renewed] = [asking("a"), asking("b"), asking("c"), asking("d")];
  for (const request of [released, revoked, swept, renewed]) await backend.acquire(request);
  await clock.advance(5_000);
  await backend.renew([{ id: renewed.id, agentId: "alice" }]);
  await backend.release([
    release(released),
    { kind: "revoke", id: revoked.id, by: "ops", reason: null, graceMs: 0 },
  ]);
  await clock.advance(60_000);
  await backend.sweep({});
  const sum = (end: string) => value("lease_hold_duration_seconds_sum", { end });
  expect([await sum("released"), await sum("revoked"), await sum("expired")]).toEqual([5, 5, 10 + 15]);
  expect(await value("lease_sweep_expired_leases_total")).toBe(2);
});

test("a revoked place in line is no hold", async () => {
  const { backend, value } = world();
  await backend.acquire(asking("a"));
  const waiter = asking("a", { wait: "queue" });
  await backend.acquire(waiter);
  await backend.release([{ kind: "revoke", id: waiter.id, by: "ops", reason: null, graceMs: 0 }]);
  expect(await value("lease_hold_duration_seconds_count")).toBe(0);
});

test("what ended unseen is forgotten: memory does not grow with the leases that ever were", async () => {
  const { Seen } = await import("../src/seen.js");
  const seen = new Seen();
  for (let number = 0; number < 10_000; number += 1) seen.begin(`id-${number}`, number * 1_000, 10_000);
  expect(seen.size).toBeLessThan(2_000);
});

test("call times are told in seconds, by operation", async () => {
  const { store, clock, registry } = world();
  const slow = meddled(store, {
    list: async (query) => {
      await new Promise<void>((resolve) => clock.schedule(3_000, resolve));
      return store.list(query);
    },
  });
  const backend = withMetrics(slow, { registry, clock, name: "slow", live: false });
  const listing = backend.list({});
  await clock.advance(3_000);
  await listing;
  const labels = { backend: "slow", operation: "list" };
  expect(await sumOf(registry, "lease_backend_call_duration_seconds_sum", labels)).toBe(3);
  expect(await sumOf(registry, "lease_backend_calls_total", labels)).toBe(1);
});

test("errors are counted by operation and code, and reach the caller as they are", async () => {
  const { store, clock, registry } = world();
  const down = new LeaseError("BACKEND_UNAVAILABLE", "down");
  const broken = meddled(store, {
    acquire: () => Promise.reject(down),
    renew: () => Promise.reject(new TypeError("a bug")),
    release: () => {
      throw down; // not even a promise
    },
    turn: () => Promise.reject(new LeaseError("CLOSED", "closed")),
    changes: async function* () {
      yield* [];
      throw new LeaseError("CURSOR_EXPIRED", "pruned");
    },
  });
  const backend = withMetrics(broken, { registry, clock, name: "broken" });
  await expect(backend.acquire(asking("a"))).rejects.toBe(down);
  const [x, y] = [{ id: createLeaseId() }, { id: createLeaseId() }];
  await expect(backend.renew([{ ...x, agentId: "y" }])).rejects.toThrow("a bug");
  await expect(backend.release([release(x), release(y)])).rejects.toBe(down);
  await expect(backend.turn({ ...x, timeoutMs: 1 })).rejects.toThrow("closed");
  const first = backend.changes({})[Symbol.asyncIterator]().next();
  await expect(first).rejects.toThrow("pruned");
  const errors = (operation: string, code: string) =>
    sumOf(registry, "lease_backend_errors_total", { backend: "broken", operation, code });
  expect(await errors("acquire", "BACKEND_UNAVAILABLE")).toBe(1);
  expect(await errors("renew", "other")).toBe(1);
  expect(await errors("release", "BACKEND_UNAVAILABLE")).toBe(1);
  expect(await errors("turn", "CLOSED")).toBe(1);
  expect(await errors("changes", "CURSOR_EXPIRED")).toBe(1);
  expect(await sumOf(registry, "lease_releases_total", { backend: "broken", result: "failed" })).toBe(2);
  await expect(backend.turn({ id: "x", timeoutMs: 1 })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(await errors("turn", "INVALID_ARGUMENT")).toBe(0); // the store was not asked
});

test("an answer that this version does not know passes through", async () => {
  const { store, registry } = world();
  const newer = meddled(store, { release: async () => [{ status: "archived" as "released" }] });
  const backend = withMetrics(newer, { registry, name: "newer" });
  expect(await backend.release([release({ id: createLeaseId() })])).toEqual([{ status: "archived" }]);
});

test("several backends share a registry: their own by name, the same name added up", async () => {
  const registry = new Registry();
  const open = (name: string) => withMetrics(memoryBackend(), { registry, name });
  const backends = [open("one"), open("two"), open("two")];
  for (const backend of backends) await backend.acquire(asking("a"));
  const granted = (backend: string) =>
    sumOf(registry, "lease_acquires_total", { backend, result: "granted" });
  expect([await granted("one"), await granted("two")]).toEqual([1, 2]);
});
