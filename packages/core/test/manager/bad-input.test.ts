import { createLeaseManager } from "@lease/core";
import { expect, test } from "vitest";
import { rejection, world } from "./support.js";

test.each([
  ["options", null],
  ["options", 5],
  ["ttlMs", { ttlMs: "30s" }],
  ["ttlMs", { ttlMs: null }],
  ["ttlMs", { ttlMs: 0.5 }],
  ["waitMs", { waitMs: "1" }],
  ["waitMs", { waitMs: Number.NaN }],
  ["waitTtlMs", { waitTtlMs: -1 }],
  ["maxHoldMs", { maxHoldMs: 0 }],
  ["maxRenewals", { maxRenewals: -1 }],
  ["autoRenew", { autoRenew: "no" }],
  ["claims[0].mode", { mode: "both" }],
  ["holding", { holding: "abc" }],
  ["holding[0]", { holding: [null] }],
  ["holding[0]", { holding: [{}] }],
  ["signal", { signal: {} }],
  ["signal", { signal: null }],
  ["metadata", { metadata: { at: new Date() } }],
  ["reason", { reason: 5 }],
])(
  "acquire, tryAcquire and withLease name the bad argument and write nothing: %s in %j",
  async (field, options) => {
    const { manager, backend, live } = world();
    const leases = manager();
    const calls: Promise<unknown>[] = [
      leases.acquire("a", options as never),
      leases.tryAcquire("a", options as never),
      leases.withLease("a", options as never, () => {}),
    ];
    for (const call of calls) {
      expect(await rejection(call)).toMatchObject({ code: "INVALID_ARGUMENT", details: { field } });
    }
    expect(await live()).toEqual([]);
    for await (const event of backend.changes({})) expect.fail(event.type);
  },
);

test("withLease without work takes no lease", async () => {
  const { manager, live } = world();
  const call = manager().withLease("a", {}, undefined as never);
  expect(await rejection(call)).toMatchObject({ code: "INVALID_ARGUMENT", details: { field: "work" } });
  expect(await live()).toEqual([]);
});

test("a bad ttlMs of a renewal is the caller's mistake and no failed renewal", async () => {
  const { manager } = world();
  const leases = manager();
  const told: string[] = [];
  const lease = await leases.acquire("a");
  leases.observe(({ type }) => told.push(type));
  const refused = await rejection(lease.renew({ ttlMs: -1 }));
  expect(refused).toMatchObject({ code: "INVALID_ARGUMENT", details: { field: "ttlMs" } });
  expect(told).toEqual([]);
});

test.each([
  ["options", undefined],
  ["backend", { agentId: "alice" }],
  ["agentId", { backend: world().backend }],
])("a manager is not made without its %s", (field, options) => {
  expect(() => createLeaseManager(options as never)).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENT", details: { field } }),
  );
});
