/**
 * A real server whose wall clock is stepped (by libfaketime): the leases of Redis live by that clock alone, so what the
 * README says of a step forward, back and into the far future is seen here.
 */
import { createLeaseManager } from "@lease/core";
import { type RedisServerWithClock, startRedisWithClock } from "@lease/test-servers";
import { describe, expect, test } from "vitest";
import { closing, hold, open, queue, release, request } from "./helpers.js";

const HOUR_MS = 3_600_000;
const YEAR_2300_MS = Date.UTC(2300) - Date.UTC(2026);

async function start(options: { readonly appendOnly?: boolean } = {}): Promise<RedisServerWithClock> {
  const server = await startRedisWithClock(options);
  closing({ close: () => server.stop() });
  return server;
}

// The library that steps the clock is there on Linux alone.
describe.runIf(process.platform === "linux")("the server's clock", () => {
  test("set forward: leases end early, while their holders still believe; tokens and history go on growing", async () => {
    const server = await start();
    const backend = open({ url: server.url });
    const leases = closing(createLeaseManager({ backend, agentId: "agent-1" }));
    const early = await leases.acquire("r", { ttlMs: 60_000, autoRenew: false });
    await server.setClock(HOUR_MS);
    const next = await hold(backend, "r", { agentId: "bob" });
    // Exclusion is gone: this is what fencing is for.
    expect(early.isHeld()).toBe(true);
    expect(next.token).toBeGreaterThan(early.token + HOUR_MS * 1_000 - 60_000_000);
    await expect(early.renew()).rejects.toMatchObject({ code: "LEASE_LOST", details: { how: "expired" } });
    expect(early.isHeld()).toBe(false);
    expect(await history(backend)).toEqual(["acquired", "expired", "acquired"]);
  });

  test("set back: leases last longer by as much and nobody else gets in; tokens and cursors go on growing", async () => {
    const server = await start();
    const backend = open({ url: server.url });
    const held = await hold(backend, "r", { ttlMs: 1_000 });
    const before = await cursors(backend);
    await server.setClock(-HOUR_MS);
    const refused = await backend.acquire(request("r", { agentId: "bob" }));
    expect(refused).toMatchObject({ status: "refused", blockers: [{ id: held.id }] });
    expect(refused.status === "refused" && refused.retryInMs).toBeGreaterThan(HOUR_MS - 60_000);
    // A renewal does not shorten what the step has lengthened.
    expect(await backend.renew([held])).toMatchObject([{ status: "renewed" }]);
    const tokens = [held.token];
    for (const resource of ["a", "b", "c"]) tokens.push((await hold(backend, resource)).token);
    expect(tokens.toSorted((a, b) => a - b)).toEqual(tokens);
    expect(await history(backend, before.at(-1))).toEqual(["renewed", "acquired", "acquired", "acquired"]);
    expect(await release(backend, held)).toBe("released");
    await hold(backend, "r", { agentId: "bob" });
  });

  test("back and forth while somebody waits: in the queue and in order all the same", async () => {
    const server = await start();
    const backend = open({ url: server.url });
    const held = await hold(backend, "r");
    const first = await queue(backend, "r", { agentId: "bob" });
    await server.setClock(-HOUR_MS);
    const second = await queue(backend, "r", { agentId: "carol" });
    expect(second.token).toBeGreaterThan(first.token);
    const turn = backend.turn({ id: first.id, timeoutMs: 30_000 });
    await server.setClock(0);
    expect(await release(backend, held)).toBe("released");
    await turn;
    expect((await backend.list({ state: "pending" })).leases.map(({ id }) => id)).toContain(first.id);
    expect(
      await backend.acquire(request("r", { id: first.id, agentId: "bob", wait: "queue" })),
    ).toMatchObject({
      status: "granted",
    });
  });

  test("set into the year 2300: no new lease, no token past 2^53; set right, tokens go on from where they were", async () => {
    const server = await start();
    const backend = open({ url: server.url });
    const before = await hold(backend, "r");
    await server.setClock(YEAR_2300_MS);
    await expect(backend.acquire(request("s"))).rejects.toMatchObject({ code: "BACKEND_INCOMPATIBLE" });
    await expect(backend.acquire(request("s", { wait: "queue" }))).rejects.toMatchObject({
      code: "BACKEND_INCOMPATIBLE",
    });
    // A sweep there ends what is past its time, with a number of its own.
    expect((await backend.sweep({})).expired.map(({ id }) => id)).toEqual([before.id]);
    await server.setClock(0);
    const after = await hold(backend, "r", { agentId: "bob" });
    expect(after.token).toBeGreaterThan(before.token);
    expect(after.token).toBeLessThan(before.token + 600_000_000);
    expect(await history(backend)).toEqual(["acquired", "expired", "acquired"]);
  });

  test("a namespace that begins in the year 2300 is refused, and begins once the clock is set right", async () => {
    const server = await start();
    await server.setClock(YEAR_2300_MS);
    const backend = open({ url: server.url });
    await expect(backend.acquire(request("r"))).rejects.toMatchObject({
      code: "BACKEND_INCOMPATIBLE",
      message: expect.stringContaining("clock"),
    });
    await server.setClock(0);
    expect((await hold(backend, "r")).token).toBeLessThan(Date.now() * 1_000 + 60_000_000);
  });

  test("restarted empty with its clock behind: tokens are lower than before, as the README warns", async () => {
    const server = await start();
    const backend = open({ url: server.url });
    const before = await hold(backend, "r");
    await server.kill();
    await server.setClock(-HOUR_MS);
    await server.restart();
    expect((await hold(backend, "r", { agentId: "bob" })).token).toBeLessThan(before.token);
  });
});

async function history(backend: ReturnType<typeof open>, after?: string): Promise<string[]> {
  const types: string[] = [];
  for await (const { type } of backend.changes(after === undefined ? {} : { after })) types.push(type);
  return types;
}

async function cursors(backend: ReturnType<typeof open>): Promise<string[]> {
  const told: string[] = [];
  for await (const { cursor } of backend.changes({})) told.push(cursor);
  return told;
}
