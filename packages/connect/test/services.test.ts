/** What watches leases from outside, on every store that clients can share. */
import {
  contentionTtl,
  createLeaseManager,
  type Lease,
  type LeaseBackend,
  type LeaseEvent,
  listAll,
} from "@lease/core";
import { sharedStores } from "@lease/test-servers";
import { createMonitor } from "@lease/upkeep";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { openBackend } from "../src/index.js";

async function client(url: string): Promise<LeaseBackend> {
  const backend = await openBackend(url);
  onTestFinished(() => backend.close());
  return backend;
}

describe.for(sharedStores(afterAll))("on $name", (store) => {
  test("a monitor asks for a lease held too long, its holder hears it and may finish", async () => {
    const url = await store.url();
    const [mine, other] = [await client(url), await client(url)];
    const leases = createLeaseManager({ backend: mine, agentId: "alice", followLosses: true });
    const lease = await leases.acquire("a", { ttlMs: 30_000 });
    const asked = new Promise<Lease["revoking"]>((resolve) => lease.onRevokeRequested(resolve));
    const monitor = createMonitor({
      backend: other,
      maxHoldMs: 100,
      onHeldTooLong: "revoke",
      graceMs: 60_000,
      by: "watch",
    });
    await expect.poll(async () => (await monitor.check()).length).toBe(1);
    expect(await asked).toMatchObject({ by: "watch", reason: expect.stringMatching(/^held for /) });
    expect(lease.isHeld()).toBe(true);
    await leases.close();
    const told: LeaseEvent[] = [];
    for await (const event of other.changes({ types: ["revoking"] })) told.push(event);
    expect(told).toMatchObject([{ by: "watch", lease: { agentId: "alice" } }]);
  });

  test("a monitor sends away a request that waits too long", async () => {
    const url = await store.url();
    const [mine, other] = [await client(url), await client(url)];
    const leases = createLeaseManager({ backend: mine, agentId: "alice" });
    await leases.acquire("a", { ttlMs: 60_000 });
    const waiting = leases.acquire("a", { waitTtlMs: 60_000 }).catch((error) => error);
    const monitor = createMonitor({ backend: other, maxWaitMs: 100, onWaitsTooLong: "cancel", graceMs: 0 });
    await expect.poll(async () => (await monitor.check()).length).toBe(1);
    expect(await waiting).toMatchObject({ code: "LEASE_LOST", details: { how: "revoked", by: "monitor" } });
    await leases.close();
  });

  test("a TTL under contention is shorter where somebody waits", async () => {
    const url = await store.url();
    const [mine, other] = [await client(url), await client(url)];
    const leases = createLeaseManager({ backend: mine, agentId: "alice" });
    await leases.acquire("a", { ttlMs: 60_000 });
    const waiting = leases.acquire("a").catch((error) => error);
    await expect.poll(async () => (await listAll(other, { state: "pending" })).length).toBe(1);
    const ttl = contentionTtl({ backend: other, minMs: 5_000, maxMs: 30_000, full: 2 });
    const ask = (resource: string) => ttl({ agentId: "bob", claims: [{ resource, mode: "exclusive" }] });
    expect(await Promise.all([ask("a"), ask("b")])).toEqual([17_500, 30_000]);
    await leases.close();
    expect(await waiting).toMatchObject({ code: "CLOSED" });
  });
});
