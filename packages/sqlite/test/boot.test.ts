/** The clock: shared by one boot, deaf to the wall clock, and made good at the next boot. */
import { simulatedClock } from "@lease/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createSqliteBackend } from "../src/backend.js";
import { bootClock, bootIdOf } from "../src/clock.js";
import { newFolder } from "./folder.js";
import { expectError, hold, request } from "./requests.js";

let folder: ReturnType<typeof newFolder>;

beforeEach(() => {
  folder = newFolder();
});

afterEach(() => folder.remove());

const HOUR = 3_600_000;

describe("a new boot", () => {
  test("gives every live lease its whole time again, and every waiter its place", async () => {
    const before = simulatedClock({ now: 900_000_000 });
    const first = createSqliteBackend({ path: folder.file(), clock: before }, { bootId: () => "boot 1" });
    const lease = await hold(first, "src/app.ts", { ttlMs: 10_000 });
    const waiting = request("src/app.ts", { agentId: "bob", wait: "queue", waitTtlMs: 5000 });
    await first.acquire(waiting);
    await before.advance(4000);
    await first.close();

    // The clock begins again: without a new start every lease would live for another ten days.
    const after = simulatedClock({ now: 50, wallNow: Date.UTC(2026, 0, 2) });
    const second = createSqliteBackend({ path: folder.file(), clock: after }, { bootId: () => "boot 2" });
    const { leases } = await second.list({});
    expect(leases).toMatchObject([
      { id: lease.id, token: lease.token, state: "active", expiresInMs: 10_000 },
      { id: waiting.id, state: "pending", expiresInMs: 5000 },
    ]);
    await after.advance(5000);
    expect(await second.acquire(waiting)).toMatchObject({ status: "ended", end: "expired" });
    await after.advance(5000);
    const next = await hold(second, "src/app.ts", { agentId: "carol" });
    expect(next.token).toBeGreaterThan(lease.token);
    await second.close();
  });

  test("gives it once, counted from the first opening: limits.orphanSlackTtls is 1", async () => {
    const clock = simulatedClock();
    const open = (boot: string) =>
      createSqliteBackend({ path: folder.file(), clock }, { bootId: () => boot });
    const first = open("boot 1");
    expect(first.limits.orphanSlackTtls).toBe(1);
    const lease = await hold(first, "src/app.ts", { ttlMs: 10_000 });
    await clock.advance(9999);
    await first.close();

    // Clients that come and go after the boot, as command lines do: none of them begins the time again.
    for (let elapsedMs = 0; elapsedMs < 10_000; elapsedMs += 2500) {
      const next = open("boot 2");
      const acquiring = next.acquire(request("src/app.ts", { agentId: "bob" }));
      const blockers = [{ id: lease.id, expiresInMs: 10_000 - elapsedMs }];
      expect(await acquiring).toMatchObject({ status: "refused", blockers });
      await next.close();
      await clock.advance(2500);
    }
    const last = open("boot 2");
    await hold(last, "src/app.ts", { agentId: "bob" });
    await last.close();
  });

  test("what a longer renewal promised is given again, not the shorter TTL of the grant", async () => {
    const clock = simulatedClock();
    const first = createSqliteBackend({ path: folder.file(), clock }, { bootId: () => "boot 1" });
    const { id, agentId, token } = await hold(first, "src/app.ts", { ttlMs: 1000 });
    await first.renew([{ id, agentId, token, ttlMs: 60_000 }]);
    await first.close();
    const second = createSqliteBackend({ path: folder.file(), clock }, { bootId: () => "boot 2" });
    expect((await second.list({})).leases).toMatchObject([{ id, expiresInMs: 60_000 }]);
    await second.close();
  });

  test("an id that ended stays ended", async () => {
    const clock = simulatedClock({ now: 500_000 });
    const first = createSqliteBackend({ path: folder.file(), clock }, { bootId: () => "boot 1" });
    const lease = await hold(first, "src/app.ts");
    await first.release([{ kind: "revoke", id: lease.id, by: "operator", reason: null, graceMs: 0 }]);
    await first.close();
    const later = simulatedClock({ now: 10 });
    const second = createSqliteBackend({ path: folder.file(), clock: later }, { bootId: () => "boot 2" });
    const again = request("src/app.ts", { id: lease.id });
    expect(await second.acquire(again)).toMatchObject({ status: "ended", end: "revoked", by: "operator" });
    await later.advance(60_000);
    expect(await second.acquire(again)).toMatchObject({ status: "granted" });
    await second.close();
  });

  test("the same boot gives nothing again", async () => {
    const clock = simulatedClock();
    const first = createSqliteBackend({ path: folder.file(), clock });
    await hold(first, "src/app.ts", { ttlMs: 10_000 });
    await first.close();
    await clock.advance(4000);
    const second = createSqliteBackend({ path: folder.file(), clock });
    expect((await second.list({})).leases).toMatchObject([{ expiresInMs: 6000 }]);
    await second.close();
  });
});

describe("a boot that changes under an open file", () => {
  test("of this process (frozen and thawed elsewhere): refused", async () => {
    let bootId = "boot 1";
    const clock = simulatedClock();
    const backend = createSqliteBackend({ path: folder.file(), clock }, { bootId: () => bootId });
    await hold(backend, "src/app.ts");
    bootId = "boot 2";
    await expectError(backend.list({}), "BACKEND_INCOMPATIBLE", /different clock/);
    await expectError(backend.acquire(request("b")), "BACKEND_INCOMPATIBLE", /different clock/);
    await backend.close();
  });

  test("of another process that opened the file under another clock: the first is refused", async () => {
    const clock = simulatedClock();
    const first = createSqliteBackend({ path: folder.file(), clock }, { bootId: () => "boot 1" });
    await hold(first, "src/app.ts");
    const second = createSqliteBackend({ path: folder.file(), clock }, { bootId: () => "boot 2" });
    await second.list({});
    await expectError(first.acquire(request("b")), "BACKEND_INCOMPATIBLE", /different clock/);
    expect((await second.list({})).leases).toHaveLength(1);
    await first.close();
    await second.close();
  });
});

describe("the wall clock", () => {
  test.each([HOUR, -HOUR])("stepped by %i ms: no lease ends early or lives on", async (step) => {
    const clock = simulatedClock();
    const backend = createSqliteBackend({ path: folder.file(), clock });
    const lease = await hold(backend, "src/app.ts", { ttlMs: 10_000 });
    await clock.advance(5000);
    clock.stepWall(step);
    expect((await backend.list({})).leases).toMatchObject([{ id: lease.id, expiresInMs: 5000 }]);
    await clock.advance(4999);
    expect(await backend.acquire(request("src/app.ts"))).toMatchObject({ status: "refused" });
    await clock.advance(1);
    const next = await hold(backend, "src/app.ts");
    expect(next.token).toBeGreaterThan(lease.token);
    await backend.close();
  });

  test("in the far future: nothing is granted, since tokens would end, but what is held is released", async () => {
    const clock = simulatedClock();
    const backend = createSqliteBackend({ path: folder.file(), clock });
    const lease = await hold(backend, "src/app.ts");
    clock.stepWall(Date.UTC(2300, 0, 1) - clock.wallNow());
    await expectError(backend.acquire(request("b")), "BACKEND_INCOMPATIBLE", /far in the future/);
    const { id, agentId, token } = lease;
    expect(await backend.release([{ kind: "release", id, agentId, token }])).toEqual([
      { status: "released" },
    ]);
    clock.stepWall(Date.UTC(2026, 0, 1) - clock.wallNow());
    expect((await hold(backend, "b")).token).toBeGreaterThan(token);
    await backend.close();
  });
});

describe("the machine's clock", () => {
  test("goes on evenly, in the same boot", () => {
    expect(bootIdOf()()).toBe(bootIdOf()());
    expect(bootIdOf()()).not.toBe("");
    const [seconds] = process.hrtime();
    expect(Math.abs(bootClock.now() - seconds * 1000)).toBeLessThan(2000);
  });

  test("the boot is looked up again after a second, or when the clock goes backwards", () => {
    let reads = 0;
    const bootId = bootIdOf(() => {
      reads += 1;
      return String(reads);
    });
    bootId();
    bootId();
    expect(reads).toBe(1);
    const [seconds, nanoseconds] = process.hrtime();
    const real = process.hrtime;
    try {
      process.hrtime = Object.assign(() => [seconds + 2, nanoseconds] as [number, number], real);
      expect(bootId()).toBe("2");
      process.hrtime = Object.assign(() => [seconds - 100, nanoseconds] as [number, number], real);
      expect(bootId()).toBe("3");
    } finally {
      process.hrtime = real;
    }
  });

  test("on a system without one that processes share: refused", async () => {
    const real = Object.getOwnPropertyDescriptor(process, "platform") as PropertyDescriptor;
    Object.defineProperty(process, "platform", { ...real, value: "plan9" });
    const backend = createSqliteBackend({ path: folder.file() });
    try {
      await expectError(backend.list({}), "BACKEND_INCOMPATIBLE", /"plan9"/);
    } finally {
      Object.defineProperty(process, "platform", real);
      await backend.close();
    }
  });
});
