import { adaptiveTtl, contentionTtl, LeaseError } from "@lease/core";
import { eventLoopUtilization, loadAverage } from "@lease/core/load";
import { expect, test } from "vitest";
import { meddled, rejection, settled, world } from "./support.js";

const request = { agentId: "alice", claims: [{ resource: "a", mode: "exclusive" as const }] };

test("an adaptive TTL stays long up to the threshold and falls in a line from there", async () => {
  const at = (load: number) =>
    adaptiveTtl({ minMs: 5_000, maxMs: 30_000, threshold: 0.5, load: () => load })(request);
  expect(await Promise.all([0, 0.5, 0.75, 1, 7].map(at))).toEqual([30_000, 30_000, 17_500, 5_000, 5_000]);
});

test("a manager asks the policy for each request, with what the request claims", async () => {
  const { manager } = world();
  const asked: unknown[] = [];
  const leases = manager({
    defaults: {
      ttlMs: (of) => {
        asked.push(of);
        return 12_345;
      },
    },
  });
  expect((await leases.acquire("a")).lease.ttlMs).toBe(12_345);
  expect((await leases.acquire("b", { ttlMs: 5_000 })).lease.ttlMs).toBe(5_000);
  expect(asked).toEqual([request]);
});

test("what a policy throws is the request's error, and a TTL out of bounds is refused", async () => {
  const { manager } = world();
  const failing = () => {
    throw new Error("no load");
  };
  expect((await rejection(manager().acquire("a", { ttlMs: failing }))).message).toBe("no load");
  expect((await rejection(manager().acquire("a", { ttlMs: () => 0 }))).details).toEqual({ field: "ttlMs" });
});

test("requests queued for what is asked shorten it, others do not", async () => {
  const { manager, backend } = world();
  await manager({ agentId: "bob" }).acquire("a");
  for (const agentId of ["c", "d"])
    void manager({ agentId })
      .acquire("a")
      .catch(() => undefined);
  await settled();
  const bounds = { minMs: 5_000, maxMs: 30_000, full: 4 };
  const ttl = contentionTtl({ backend, ...bounds });
  expect(await ttl(request)).toBe(17_500);
  expect(await ttl({ agentId: "x", claims: [{ resource: "b", mode: "exclusive" }] })).toBe(30_000);
  const gone = meddled(backend, {
    list: () => Promise.reject(new LeaseError("BACKEND_UNAVAILABLE", "down")),
  });
  expect(await contentionTtl({ backend: gone, ...bounds })(request)).toBe(30_000);
});

test("options are checked", () => {
  const load = () => 0;
  expect(() => adaptiveTtl({ minMs: 0, maxMs: 1, load })).toThrow("minMs");
  expect(() => adaptiveTtl({ minMs: 2, maxMs: 1, load })).toThrow("maxMs");
  expect(() => adaptiveTtl({ minMs: 1, maxMs: 2, threshold: 1, load })).toThrow("threshold");
});

test("the event loop's and the machine's load are numbers from 0", async () => {
  const loop = eventLoopUtilization();
  const until = performance.now() + 20;
  while (performance.now() < until);
  const busy = await loop(request);
  expect(busy).toBeGreaterThan(0);
  expect(busy).toBeLessThanOrEqual(1);
  expect(await loadAverage()(request)).toBeGreaterThanOrEqual(0);
});
