import { LeaseError, type ManagerEvent } from "@lease/core";
import { expect, test } from "vitest";
import { meddled, rejection, settled, world } from "./support.js";

/** What a manager told, as `type` with the numbers that matter. */
function noted(manager: ReturnType<ReturnType<typeof world>["manager"]>) {
  const events: ManagerEvent[] = [];
  const stop = manager.observe((event) => events.push(event));
  return { events, types: () => events.map(({ type }) => type), stop };
}

test("a request is told from its first question to the end of its lease", async () => {
  const { manager, clock } = world();
  const held = await manager({ agentId: "bob" }).acquire("a");
  const leases = manager();
  const { events, types, stop } = noted(leases);
  const waiting = leases.acquire("a");
  await clock.advance(2_000);
  await held.release();
  const lease = await waiting;
  await clock.advance(11_000);
  await lease.release();
  expect(types()).toEqual(["requested", "granted", "renewed", "ended"]);
  expect(events[1]).toMatchObject({ waitedMs: 2_000, lease });
  expect(events[2]).toMatchObject({ lateMs: 0 });
  expect(events[3]).toMatchObject({ heldMs: 11_000, loss: null });
  stop();
  await leases.tryAcquire("b");
  expect(types()).toHaveLength(4);
});

test("refusals, failures and losses are told", async () => {
  const { manager, backend, clock } = world();
  await manager({ agentId: "bob" }).acquire("a");
  const cut = meddled(backend, {
    renew: () => Promise.reject(new LeaseError("BACKEND_UNAVAILABLE", "down")),
  });
  const leases = manager({ backend: cut });
  const { events, types } = noted(leases);
  await leases.tryAcquire("a");
  await rejection(leases.acquire("./a"));
  await leases.acquire("b", { ttlMs: 10_000 });
  await clock.advance(10_000);
  expect(types().filter((type) => type !== "renewal-failed")).toEqual([
    "requested",
    "refused",
    "requested",
    "failed",
    "requested",
    "granted",
    "ended",
  ]);
  expect(types()).toContain("renewal-failed");
  expect(events.at(-1)).toMatchObject({ loss: { code: "LEASE_LOST" } });
});

test("a listener that throws harms neither the others nor the lease", async () => {
  const leases = world().manager();
  leases.observe(() => {
    throw new Error("listener");
  });
  const { types } = noted(leases);
  expect((await leases.acquire("a")).isHeld()).toBe(true);
  expect(types()).toEqual(["requested", "granted"]);
});

test("an async listener that fails ends no process: nothing is left unhandled", async () => {
  const { manager, backend } = world();
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);
  process.on("unhandledRejection", note);
  const leases = manager();
  leases.observe(() => Promise.reject(new Error("listener")));
  const lease = await leases.acquire("a");
  lease.onRevokeRequested(() => Promise.reject(new Error("listener")));
  await backend.release([{ kind: "revoke", id: lease.id, by: "ops", reason: null, graceMs: 60_000 }]);
  await lease.renew();
  await settled();
  process.off("unhandledRejection", note);
  expect(lease.lease.revoking).not.toBeNull();
  expect(unhandled).toEqual([]);
});

test("a soft revoke is told to the holder once, at its next renewal, and to who listens later at once", async () => {
  const { manager, backend, clock } = world();
  const leases = manager();
  const { types } = noted(leases);
  const lease = await leases.acquire("a", { ttlMs: 30_000 });
  const heard: string[] = [];
  lease.onRevokeRequested(({ by, graceInMs }) => heard.push(`${by} ${graceInMs}`));
  await backend.release([{ kind: "revoke", id: lease.id, by: "ops", reason: "drain", graceMs: 60_000 }]);
  await clock.advance(25_000);
  expect(heard).toEqual(["ops 50000"]);
  lease.onRevokeRequested(({ by }) => heard.push(`late ${by}`));
  expect(heard).toEqual(["ops 50000", "late ops"]);
  expect(types().filter((type) => type === "revoke-requested")).toHaveLength(1);
});

test("with followLosses a soft revoke is heard at once; a listener taken away hears nothing", async () => {
  const { manager, backend, clock } = world();
  const leases = manager({ followLosses: true });
  const lease = await leases.acquire("a");
  const heard: string[] = [];
  lease.onRevokeRequested(({ reason }) => heard.push(String(reason)));
  lease.onRevokeRequested(() => heard.push("never"))();
  await clock.advance(100);
  await backend.release([{ kind: "revoke", id: lease.id, by: "ops", reason: "drain", graceMs: 60_000 }]);
  await settled();
  expect(heard).toEqual(["drain"]);
  expect(lease.isHeld()).toBe(true);
  await leases.close();
});

test("whoever is told of a release finds the lease ended, and may release it again", async () => {
  const { manager, backend } = world();
  let calls = 0;
  const counted = meddled(backend, {
    release: (requests) => {
      calls += 1;
      return backend.release(requests);
    },
  });
  const leases = manager({ backend: counted });
  const seen: unknown[] = [];
  leases.observe((event) => {
    if (event.type === "ended") seen.push(event.lease.state, event.lease.release());
  });
  const lease = await leases.acquire("a");
  expect(await lease.release()).toBe("released");
  expect(seen[0]).toBe("ended");
  expect(await seen[1]).toBe("released");
  expect(calls).toBe(1);
});
