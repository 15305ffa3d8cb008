/** What `defineBackend` does before a store is asked, also below a decorator. */
import { beforeEach, expect, test, vi } from "vitest";
import { type AcquireRequest, defineBackend } from "../src/backend/index.js";
import { createLeaseId, isLeaseError, type LeaseBackend, memoryBackend } from "../src/index.js";

let store: LeaseBackend;
let backend: LeaseBackend;

beforeEach(() => {
  const memory = memoryBackend();
  store = { ...memory, acquire: vi.fn(memory.acquire), close: vi.fn(memory.close) };
  backend = defineBackend(store);
});

const asked = (): AcquireRequest => ({
  id: createLeaseId(),
  agentId: "a",
  claims: [{ resource: "r", mode: "exclusive" }],
  ttlMs: 10_000,
  maxRenewals: null,
  wait: "no",
  waitTtlMs: 10_000,
  holding: [],
  reason: null,
  metadata: { deep: [{ er: 1 }] },
});

const received = (of: LeaseBackend, call = 0) => vi.mocked(of.acquire).mock.calls[call]?.[0];

test("a bad request is refused and reaches no store", async () => {
  await expect(backend.acquire({ ...asked(), ttlMs: 0 })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    details: { field: "ttlMs" },
  });
  expect(store.acquire).not.toHaveBeenCalled();
});

test("a store gets a copy that nobody changes", async () => {
  const claims = [{ resource: "r", mode: "exclusive" as const }];
  const request = { ...asked(), claims };
  await backend.acquire(request);
  const own = received(store);
  expect(own).toEqual(request);
  claims[0] = { resource: "other", mode: "exclusive" };
  expect(own?.claims).toEqual([{ resource: "r", mode: "exclusive" }]);
  expect(Object.isFrozen(own?.claims)).toBe(true);
  expect(() => Object.assign(own?.metadata?.deep as object, { 0: "changed" })).toThrow();
});

test("a request that a decorator hands on, changed, or allowed by other limits, is checked again", async () => {
  const shorten = defineBackend({
    ...backend,
    acquire: (request) => backend.acquire({ ...request, ttlMs: 0 }),
  });
  await expect(shorten.acquire(asked())).rejects.toMatchObject({ details: { field: "ttlMs" } });
  const generous = defineBackend({ ...backend, limits: { ...backend.limits, maxClaims: 1_000 } });
  const many = Array.from({ length: backend.limits.maxClaims + 1 }, (_, index) => ({
    resource: `r/${index}`,
    mode: "exclusive" as const,
  }));
  await expect(generous.acquire({ ...asked(), claims: many })).rejects.toMatchObject({
    details: { field: "claims" },
  });
  expect(store.acquire).not.toHaveBeenCalled();
});

test("what a store throws, promise or not, rejects", async () => {
  const broken = defineBackend({
    ...store,
    renew: () => {
      throw new TypeError("a bug");
    },
  });
  await expect(broken.renew([{ id: createLeaseId(), agentId: "a" }])).rejects.toThrow("a bug");
});

test("after close every call is refused, and the store is closed once", async () => {
  await Promise.all([backend.close(), backend.close()]);
  expect(store.close).toHaveBeenCalledTimes(1);
  const closed = (error: unknown) => isLeaseError(error, "CLOSED");
  await expect(backend.acquire(asked())).rejects.toSatisfy(closed);
  await expect(backend.turn({ id: createLeaseId(), timeoutMs: 1 })).rejects.toSatisfy(closed);
  await expect(backend.renew([])).rejects.toSatisfy(closed);
  await expect(backend.release([])).rejects.toSatisfy(closed);
  await expect(backend.list({})).rejects.toSatisfy(closed);
  await expect(backend.sweep({})).rejects.toSatisfy(closed);
  await expect(backend.changes({})[Symbol.asyncIterator]().next()).rejects.toSatisfy(closed);
  expect(store.acquire).not.toHaveBeenCalled();
});
