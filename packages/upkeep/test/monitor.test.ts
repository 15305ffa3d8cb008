import type { LeaseEvent } from "@lease/core";
import { expect, test } from "vitest";
import { createMonitor, type Finding, type MonitorAct } from "../src/index.js";
import { rejection, settled, type World, world } from "./support.js";

/** A monitor on a world that notes what it found and did, as `kind agent act`. */
function watched(of: World, options: Partial<Parameters<typeof createMonitor>[0]> = {}) {
  const found: string[] = [];
  const onFinding = ({ kind, lease }: Finding, act: MonitorAct) => {
    found.push(`${kind} ${lease.agentId} ${act}`);
  };
  const { backend, clock } = of;
  return { found, monitor: createMonitor({ backend, clock, random: () => 0, onFinding, ...options }) };
}

async function history(of: World): Promise<LeaseEvent[]> {
  const events: LeaseEvent[] = [];
  for await (const event of of.backend.changes({})) events.push(event);
  return events;
}

test("leases held too long and requests that wait too long are reported once, and left alone", async () => {
  const here = world();
  const { found, monitor } = watched(here, { maxHoldMs: 60_000, maxWaitMs: 30_000 });
  await here.manager({ agentId: "bob" }).acquire("a");
  const waiting = rejection(here.manager().acquire("a", { waitMs: 200_000 }));
  monitor.start();
  await here.clock.advance(50_000);
  expect(found).toEqual(["waits-too-long alice report"]);
  await here.clock.advance(100_000);
  expect(found).toEqual(["waits-too-long alice report", "held-too-long bob report"]);
  await monitor.stop();
  expect(await here.live()).toEqual(["bob active a", "alice pending a"]);
  await here.clock.advance(100_000);
  expect((await waiting).code).toBe("LEASE_UNAVAILABLE");
});

test("revoke asks a holder for its lease with a grace, in history with who and why", async () => {
  const here = world();
  const { found, monitor } = watched(here, {
    maxHoldMs: 60_000,
    onHeldTooLong: "revoke",
    graceMs: 20_000,
    by: "night-watch",
  });
  const lease = await here.manager({ agentId: "bob" }).acquire("a", { ttlMs: 15_000 });
  await here.clock.advance(61_000);
  await monitor.check();
  await monitor.check();
  expect(found).toEqual(["held-too-long bob revoke"]);
  await here.clock.advance(5_000);
  expect(lease.isHeld()).toBe(true);
  expect(lease.lease.revoking).toMatchObject({ by: "night-watch", reason: "held for 61 s" });
  await here.clock.advance(20_000);
  expect(lease.loss).toMatchObject({ details: { how: "revoked", by: "night-watch" } });
  const acts = (await history(here))
    .filter(({ by }) => by === "night-watch")
    .map(({ type, reason }) => [type, reason]);
  expect(acts[0]).toEqual(["revoking", "held for 61 s"]);
});

test("cancel sends a request in line away, and leaves a held lease alone", async () => {
  const here = world();
  const { monitor } = watched(here, {
    maxHoldMs: 1_000,
    maxWaitMs: 1_000,
    onHeldTooLong: "cancel",
    onWaitsTooLong: "cancel",
  });
  await here.manager({ agentId: "bob" }).acquire("a");
  const waiting = rejection(here.manager().acquire("a"));
  await here.clock.advance(2_000);
  await monitor.check();
  await here.clock.advance(5_000);
  expect(await waiting).toMatchObject({
    code: "LEASE_LOST",
    details: { how: "revoked", by: "monitor", reason: "queued for 2 s" },
  });
  expect(await here.live()).toEqual(["bob active a"]);
});

test("a policy may choose for each finding", async () => {
  const here = world();
  const choose = ({ lease }: Finding): MonitorAct => (lease.agentId === "bob" ? "revoke" : "report");
  const { found, monitor } = watched(here, { maxHoldMs: 1_000, onHeldTooLong: choose, graceMs: 0 });
  await here.manager({ agentId: "bob" }).acquire("b");
  await here.manager({ agentId: "carol" }).acquire("c");
  await here.clock.advance(2_000);
  await monitor.check();
  expect(found).toEqual(["held-too-long bob revoke", "held-too-long carol report"]);
  expect(await here.live()).toEqual(["carol active c"]);
});

test("a circle that nobody refused is found, told with its youngest request, and can be broken", async () => {
  const here = world();
  const { backend, clock } = here;
  const { createLeaseId } = await import("@lease/core");
  // Clients that do not look: straight to the backend.
  const ask = (agentId: string, resource: string, holding: string[] = []) => {
    const id = createLeaseId();
    const claims = [{ resource, mode: "exclusive" as const }];
    const rest = {
      ttlMs: 60_000,
      waitTtlMs: 60_000,
      maxRenewals: null,
      wait: "queue" as const,
      reason: null,
      metadata: null,
    };
    return backend.acquire({ id, agentId, claims, holding, ...rest }).then(() => id);
  };
  const a = await ask("alice", "a");
  const b = await ask("bob", "b");
  await ask("alice", "b", [a]);
  const youngest = await ask("bob", "a", [b]);
  const { found, monitor } = watched(here, { onDeadlock: "cancel" });
  const [finding] = await monitor.check();
  expect(finding).toMatchObject({
    kind: "deadlock",
    lease: { id: youngest },
    cycle: [{ agentId: "bob" }, { agentId: "alice" }],
  });
  expect(found).toEqual(["deadlock bob cancel"]);
  expect(await here.live()).toEqual(["alice active a", "bob active b", "alice pending b"]);
  expect(await monitor.check()).toEqual([]);
  expect((await history(here)).at(-1)).toMatchObject({
    type: "revoked",
    by: "monitor",
    reason: "closes a cycle of 2 waits",
  });
  expect(clock.timers).toBe(0);
});

test("a round that fails is told, and the next one comes", async () => {
  const here = world();
  const errors: unknown[] = [];
  let broken = true;
  const backend = {
    ...here.backend,
    list: (query: object) => (broken ? Promise.reject(new Error("down")) : here.backend.list(query)),
  };
  const { found, monitor } = watched(here, {
    backend,
    maxHoldMs: 1_000,
    onError: (error) => errors.push(error),
  });
  await here.manager().acquire("a");
  monitor.start();
  await here.clock.advance(20_000);
  expect(errors).toHaveLength(2);
  broken = false;
  await here.clock.advance(15_000);
  expect(found).toEqual(["held-too-long alice report"]);
  await monitor.stop();
  await settled();
});

test("a listener that throws, also an async one, keeps the monitor from nothing that it has to do", async () => {
  const here = world();
  const told: string[] = [];
  const { monitor } = watched(here, {
    maxHoldMs: 1_000,
    onHeldTooLong: "revoke",
    graceMs: 0,
    onFinding: async ({ lease }) => {
      told.push(lease.agentId);
      throw new Error("listener");
    },
  });
  await here.manager({ agentId: "bob" }).acquire("a");
  await here.manager({ agentId: "carol" }).acquire("b");
  await here.clock.advance(2_000);
  expect((await rejection(monitor.check())).message).toBe("listener");
  expect(told).toEqual(["bob", "carol"]);
  expect(await here.live()).toEqual([]);
});

test("options are checked when the monitor is made", () => {
  const { backend } = world();
  expect(() => createMonitor({ backend, maxHoldMs: 0 })).toThrow("maxHoldMs");
  expect(() => createMonitor({ backend, by: "" })).toThrow("by");
});
