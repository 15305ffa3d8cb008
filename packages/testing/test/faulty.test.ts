import { createLeaseId, type LeaseBackend, memoryBackend } from "@lease/core";
import type { AcquireRequest } from "@lease/core/backend";
import { describe, expect, test } from "vitest";
import {
  conformance,
  type Fault,
  type FaultyOperation,
  faulty,
  modelTest,
  sharedStore,
  simulatedClock,
} from "../src/index.js";

describe("without a fault it is a backend like any other", () => {
  const factory = async () => {
    const clock = simulatedClock();
    return sharedStore(faulty(memoryBackend({ clock }), { decide: () => undefined }), clock);
  };
  conformance({ test, factory });
  modelTest({ test, factory });
});

const request = (over: Partial<AcquireRequest> = {}): AcquireRequest => ({
  id: createLeaseId(),
  agentId: "alice",
  claims: [{ resource: "r", mode: "exclusive" }],
  ttlMs: 60_000,
  maxRenewals: null,
  wait: "no",
  waitTtlMs: 60_000,
  holding: [],
  reason: null,
  metadata: null,
  ...over,
});

/** Faults of the first calls of an operation, in order. */
function withFaults(operation: FaultyOperation, ...faults: Fault[]) {
  const real = memoryBackend();
  const backend = faulty(real, {
    decide: (call) => (call.operation === operation ? faults[call.index] : undefined),
  });
  return { real, backend };
}

const held = async (backend: LeaseBackend) => (await backend.list({})).leases.map(({ id }) => id);

test("unavailable: nothing is applied", async () => {
  const { real, backend } = withFaults("acquire", "unavailable");
  await expect(backend.acquire(request())).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  expect(await held(real)).toEqual([]);
});

test("a lost reply: it is applied, and asking again with the same id tells", async () => {
  const { backend } = withFaults("acquire", "lose-reply");
  const once = request();
  await expect(backend.acquire(once)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  expect(await held(backend)).toEqual([once.id]);
  expect(await backend.acquire(once)).toMatchObject({ status: "granted", repeated: true });
});

test("a late acquire that was abandoned meanwhile finds its end", async () => {
  const { real, backend } = withFaults("acquire", "late");
  const late = request();
  await expect(backend.acquire(late)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  await backend.release([{ kind: "abandon", id: late.id, agentId: late.agentId }]);
  expect(backend.underWay).toBe(1);
  await backend.deliver();
  expect([await held(real), backend.underWay]).toEqual([[], 0]);
});

test("a doubled renewal counts once", async () => {
  const { backend } = withFaults("renew", "double");
  const asked = request({ maxRenewals: 2 });
  await backend.acquire(asked);
  await backend.renew([{ id: asked.id, agentId: asked.agentId, renewal: 1 }]);
  await backend.deliver();
  expect((await backend.list({})).leases[0]?.renewals).toBe(1);
});

test("a delay of the request, and one of the reply, in simulated time", async () => {
  const clock = simulatedClock();
  const real = memoryBackend({ clock });
  const faults: Fault[] = [
    { delayMs: 100, on: "request" },
    { delayMs: 100, on: "reply" },
  ];
  const backend = faulty(real, {
    clock,
    decide: ({ operation, index }) => (operation === "acquire" ? faults[index] : undefined),
  });
  const [first, second] = [request(), request({ claims: [{ resource: "s", mode: "shared" }] })];
  const answers = Promise.all([backend.acquire(first), backend.acquire(second)]);
  await clock.advance(99);
  expect(await held(real)).toEqual([second.id]);
  await clock.advance(1);
  expect((await answers).map(({ status }) => status)).toEqual(["granted", "granted"]);
});
