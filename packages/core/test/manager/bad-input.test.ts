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
  ["mode", { mode: "both" }],
  ["mode", { mode: null }],
  ["waitTtlMs", { waitTtlMs: null }],
  ["ttl", { ttl: 5_000 }],
  ["timeout", { timeout: 5 }],
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

test.each([
  ["ttl", "ttlMs"],
  ["TTL_MS", "ttlMs"],
  ["duration", "ttlMs"],
  ["timeout", "waitMs"],
  ["wait", "waitMs"],
  ["mdoe", "mode"],
  ["reasons", "reason"],
  ["renew", undefined],
  ["autorenew", "autoRenew"],
])("an unknown option %s is refused, and %s suggested", async (option, meant) => {
  const { manager } = world();
  const { message } = await rejection(manager().acquire("a", { [option]: 5 } as never));
  expect(message).toBe(
    meant === undefined
      ? `${option} is not known here: known are waitMs, mode, ttlMs, waitTtlMs, autoRenew, maxRenewals, maxHoldMs, reason, metadata, holding, signal`
      : `${option} is not known here: did you mean ${meant}?`,
  );
});

test("every call refuses options that it does not know, and what is undefined is not there", async () => {
  const { manager } = world();
  const leases = manager();
  const lease = await leases.acquire("a", { ttl: undefined } as never);
  const unknown = { ttl: 5 } as never;
  const calls: [string, () => unknown][] = [
    ["ttl", () => leases.acquire("b", unknown)],
    ["waitMs", () => leases.tryAcquire("b", { waitMs: 5 } as never)],
    ["ttl", () => leases.withLease("b", unknown, () => {})],
    ["ttl", () => lease.acquire("b", unknown)],
    ["ttl", () => lease.renew(unknown)],
    ["options", () => lease.renew(5_000 as never)],
    ["ttl", () => leases.drain(unknown)],
    ["ttl", () => leases.close(unknown)],
    ["withinMs", () => leases.close({ withinMs: "1" } as never)],
    ["signal", () => leases.drain({ signal: 5 } as never)],
    ["claims[0].mdoe", () => leases.acquire({ resource: "b", mdoe: "shared" } as never)],
  ];
  for (const [field, call] of calls) {
    const refusal = rejection(Promise.resolve().then(call));
    expect(await refusal, field).toMatchObject({ code: "INVALID_ARGUMENT", details: { field } });
  }
  const makers: [string, () => unknown][] = [
    ["timeout", () => manager({ timeout: 5 } as never)],
    ["defaults.ttl", () => manager({ defaults: unknown })],
    ["mode", () => manager({ defaults: { mode: null } } as never)],
    ["sequential", () => manager({ sequential: "yes" } as never)],
    ["followLosses", () => manager({ followLosses: 1 } as never)],
  ];
  for (const [field, make] of makers) {
    expect(make, field).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT", details: { field } }));
  }
  expect(lease.isHeld()).toBe(true);
  expect((await rejection(lease.renew(5_000 as never))).message).toBe(
    "options must be an object: renew({ ttlMs: 5000 })",
  );
});

test("a resource without a mode of its own takes that of the options, and those of the manager", async () => {
  const { manager } = world();
  const modes = async (options: object, made: object = {}) => {
    const lease = await manager(made).acquire(
      [{ resource: "a" }, { resource: "b", mode: "shared" }],
      options,
    );
    await lease.release();
    return lease.claims.map(({ mode }) => mode);
  };
  expect(await modes({})).toEqual(["exclusive", "shared"]);
  expect(await modes({ mode: "shared" })).toEqual(["shared", "shared"]);
  expect(await modes({}, { defaults: { mode: "shared" } })).toEqual(["shared", "shared"]);
  const refusal = rejection(manager().acquire({ resource: "a", mode: null } as never));
  expect(await refusal).toMatchObject({ details: { field: "claims[0].mode" } });
});

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
