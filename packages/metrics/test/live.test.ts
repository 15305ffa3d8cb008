import { createLeaseManager, LeaseError, memoryBackend } from "@lease/core";
import { expect, test } from "vitest";
import { withMetrics } from "../src/index.js";
import { meddled, world } from "./support.js";

test("live leases are counted by state and mode, with the longest queue and when that was", async () => {
  const { manager, nonZero, value, clock } = world();
  const leases = manager();
  await leases.acquire("a");
  await leases.acquire("b", { mode: "shared" });
  await leases.acquire([{ resource: "c", mode: "shared" }, "d"]);
  const waiting = [leases.acquire("a"), leases.acquire("a"), leases.acquire("b")];
  for (const wait of waiting) wait.catch(() => {});
  await clock.advance(0);
  expect(await nonZero("lease_live_leases")).toEqual({
    "active exclusive": 1,
    "active shared": 1,
    "active mixed": 1,
    "pending exclusive": 3,
  });
  expect(await value("lease_longest_queue_requests")).toBe(2);
  expect(await value("lease_live_counted_timestamp_seconds")).toBe(Date.UTC(2026, 0, 1) / 1000);
  await leases.close();
});

test("scrapes count anew only after a while, all at once, and what is live no more is counted no more", async () => {
  const { store, clock, registry, manager, value } = world({ live: false });
  let listings = 0;
  const listed = meddled(store, {
    list: (query) => {
      listings += 1;
      return store.list(query);
    },
  });
  withMetrics(listed, { registry, clock });
  const lease = await manager().acquire("a");
  await Promise.all([registry.metrics(), registry.metrics()]);
  expect(await value("lease_live_leases")).toBe(1);
  expect(listings).toBe(1);
  await lease.release();
  await clock.advance(9_000);
  expect(await value("lease_live_leases")).toBe(1);
  await clock.advance(1_000);
  expect(await value("lease_live_leases")).toBe(0);
  expect(listings).toBe(2);
});

test("more leases than a page are counted, and counting takes one hundredth of the time at most", async () => {
  const { store, clock, registry, value } = world({ live: false });
  const leases = createLeaseManager({ backend: store, agentId: "alice", clock });
  for (let number = 0; number < 1_001; number += 1) await leases.acquire(`r/${number}`);
  let listings = 0;
  const slow = meddled(store, {
    list: async (query) => {
      listings += 1;
      await new Promise<void>((resolve) => clock.schedule(500, resolve));
      return store.list(query);
    },
  });
  withMetrics(slow, { registry, clock });
  const scraped = registry.metrics();
  await clock.advance(1_000);
  await scraped;
  expect(await value("lease_live_leases")).toBe(1_001);
  expect(listings).toBe(2);
  await clock.advance(99_000);
  await registry.metrics();
  expect(listings).toBe(2);
  await clock.advance(1_000);
  void registry.metrics();
  expect(listings).toBe(3);
  await leases.close();
});

test("a store that does not answer delays no scrape for long and fails none", async () => {
  const { store, clock, registry, value } = world({ live: false });
  let giveUp = () => {};
  let broken: "hangs" | "throws" | "works" = "works";
  const backend = withMetrics(
    meddled(store, {
      list: (query) => {
        if (broken === "hangs") {
          return new Promise((_, reject) => {
            giveUp = () => reject(new LeaseError("BACKEND_UNAVAILABLE", "no answer"));
          });
        }
        if (broken === "throws") return Promise.reject(new LeaseError("BACKEND_UNAVAILABLE", "down"));
        return store.list(query);
      },
    }),
    { registry, clock },
  );
  await createLeaseManager({ backend, agentId: "alice", clock }).acquire("a", { ttlMs: 600_000 });
  const countedAt = await value("lease_live_counted_timestamp_seconds");
  await clock.advance(20_000);
  broken = "throws";
  expect(await value("lease_live_leases")).toBe(1);
  await clock.advance(20_000);
  broken = "hangs";
  const scraped = value("lease_live_leases");
  await clock.advance(2_000);
  expect(await scraped).toBe(1);
  const scrapedAgain = value("lease_live_counted_timestamp_seconds");
  await clock.advance(2_000);
  expect(await scrapedAgain).toBe(countedAt);
  // Once it answers again, the long failure does not ration the next count.
  broken = "works";
  giveUp();
  await clock.advance(10_000);
  expect(await value("lease_live_counted_timestamp_seconds")).toBe(clock.wallNow() / 1000);
});

test("a closed backend counts nothing any more, and one without live never did", async () => {
  const { backend, registry, manager, value } = world();
  await manager().acquire("a");
  expect(await value("lease_live_leases")).toBe(1);
  await backend.close();
  expect(await value("lease_live_leases")).toBe(0);
  withMetrics(memoryBackend(), { registry, name: "worker", live: false });
  expect(await value("lease_live_leases", { backend: "worker" })).toBeUndefined();
});
