/** A real master with its replica under three sentinels: what holds over a failover, what does not, and that all goes on. */
import { createLeaseManager, type LeaseBackend } from "@lease/core";
import { type RedisSentinel, type RedisServer, startRedisSentinel } from "@lease/test-servers";
import { Redis } from "ioredis";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  again,
  caughtUp,
  closing,
  hold,
  LESS_THAN_DEFAULT_MS,
  NEVER_MS,
  open,
  queue,
  release,
  request,
} from "./helpers.js";

const CALL_MS = 500;

let sentinel: RedisSentinel;
let master: RedisServer;
let replica: RedisServer;

beforeEach(async () => {
  sentinel = await startRedisSentinel();
  [master, replica] = sentinel.servers;
});
afterEach(() => sentinel.stop());

/** A client as a user makes it, with no option but where the sentinels are. */
function openByName(namespace: string, sentinels = sentinel.sentinels): LeaseBackend {
  const addresses = sentinels.map(({ host, port }) => ({ host, port }));
  const client = new Redis({ sentinels: addresses, name: sentinel.name, lazyConnect: true });
  return open({ client, namespace, callTimeoutMs: CALL_MS });
}

test("the master is killed under load: typed errors within the bound, the same clients go on, tokens grow, what was replicated is still held", async () => {
  const backend = openByName("load");
  const held = await hold(backend, "held");
  const leases = closing(createLeaseManager({ backend, agentId: "agent-1" }));
  const renewed = await leases.acquire("renewed", { ttlMs: 20_000 });
  await caughtUp(master, replica);

  const grants: { readonly writer: number; readonly at: number; readonly token: number }[] = [];
  const failures: { readonly code: string; readonly tookMs: number }[] = [];
  let writing = true;
  const writers = Array.from({ length: 4 }, async (_, writer) => {
    while (writing) {
      const sent = performance.now();
      try {
        const lease = await hold(backend, `busy/${writer}`, { ttlMs: 300 });
        grants.push({ writer, at: performance.now(), token: lease.token });
        await release(backend, lease);
      } catch (error) {
        const { code, message } = error as { code?: string; message: string };
        // Held by what was granted and not released in time: that is an answer.
        if (!message.startsWith("not granted")) {
          failures.push({ code: String(code), tookMs: performance.now() - sent });
        }
      }
      await pause(5);
    }
  });
  const grantedSince = (from: number) =>
    new Set(grants.filter(({ at }) => at > from).map(({ writer }) => writer)).size;
  await expect.poll(() => grantedSince(0)).toBe(writers.length);
  await master.kill();
  const killedAt = performance.now();
  await expect.poll(() => sentinel.master().catch(() => null)).toBe(replica);
  const promotedAt = performance.now();
  await expect.poll(() => grantedSince(promotedAt)).toBe(writers.length);
  writing = false;
  await Promise.all(writers);

  for (const { code, tookMs } of failures) {
    expect(code).toMatch(/^(OUTCOME_UNKNOWN|BACKEND_UNAVAILABLE)$/);
    // An acquire and a release.
    expect(tookMs).toBeLessThan(2 * LESS_THAN_DEFAULT_MS);
  }
  expect(failures.length).toBeGreaterThan(0);
  const before = grants.filter(({ at }) => at < killedAt).map(({ token }) => token);
  const after = grants.filter(({ at }) => at > promotedAt).map(({ token }) => token);
  expect(Math.min(...after)).toBeGreaterThan(Math.max(...before));

  expect(await backend.acquire(request("held", { agentId: "bob" }))).toMatchObject({
    status: "refused",
    blockers: [{ id: held.id, token: held.token }],
  });
  expect(renewed.isHeld()).toBe(true);
  await renewed.renew();
  expect(await backend.list({ resource: "renewed" })).toMatchObject({ leases: [{ token: renewed.token }] });
});

test("what the replica had not received is lost: it is given again, by a higher token, and the first holder is told", async () => {
  const backend = openByName("lost");
  await hold(backend, "warm");
  await caughtUp(master, replica);
  // The replica is cut off: it does not get past the master's door any more.
  await replica.command("CONFIG", "SET", "masteruser", "nobody");
  await replica.command("CONFIG", "SET", "masterauth", "wrong");
  await master.command("CLIENT", "KILL", "TYPE", "replica");
  await expect.poll(() => replica.command("INFO", "replication")).toContain("master_link_status:down");
  const lost = await hold(backend, "r");

  await master.kill();
  await expect.poll(() => sentinel.master().catch(() => null)).toBe(replica);
  const given = await untilGranted(backend, "r", "bob");
  expect(given.token).toBeGreaterThan(lost.token);
  expect(await backend.renew([lost])).toEqual([{ status: "not-found" }]);
  expect(await release(backend, lost)).toBe("not-found");
  expect((await backend.list({ resource: "r" })).leases.map(({ id }) => id)).toEqual([given.id]);
});

test("the master hangs: waiters get their turn from the new one, and the old one, back as a replica, changes nothing", async () => {
  const backend = openByName("hang");
  const other = openByName("hang");
  const held = await hold(other, "r", { ttlMs: NEVER_MS });
  const pending = await queue(backend, "r", { agentId: "bob", ttlMs: NEVER_MS, waitTtlMs: NEVER_MS });
  let woken = false;
  let over = false;
  const turn = (async () => {
    // A turn, too, may end with an error of a store that is away.
    while (!woken && !over) {
      await backend.turn({ id: pending.id, timeoutMs: NEVER_MS }).then(
        () => {
          woken = true;
        },
        () => pause(20),
      );
    }
  })();
  await expect.poll(() => master.command("PUBSUB", "CHANNELS", "lease:*")).toHaveLength(1);
  await caughtUp(master, replica);

  master.pause();
  try {
    await expect.poll(() => sentinel.master().catch(() => null)).toBe(replica);
    await expect
      .poll(() =>
        other.list({}).then(
          ({ leases }) => leases.length,
          () => 0,
        ),
      )
      .toBe(2);
    // Still queued; and its subscription is at a server that says nothing any more.
    expect(woken).toBe(false);
    expect(await release(other, held)).toBe("released");
    await turn;
    const granted = await backend.acquire(again(pending));
    expect(granted).toMatchObject({ status: "granted", lease: { token: pending.token } });
  } finally {
    over = true;
    master.resume();
  }
  await expect.poll(async () => (await master.command("ROLE")) as unknown[]).toContain("slave");
  const next = await hold(backend, "s");
  expect(next.token).toBeGreaterThan(pending.token);
  expect((await backend.list({})).leases.map(({ id }) => id)).toEqual([pending.id, next.id]);
});

test("two masters at once: two holders, as the README warns, until one gives way", async () => {
  await hold(openByName("two"), "warm");
  await caughtUp(master, replica);
  master.pause();
  await expect.poll(() => sentinel.master().catch(() => null)).toBe(replica);
  for (const each of sentinel.sentinels) each.pause();
  master.resume();
  const [there, here] = [master, replica].map(({ url }) => open({ url, namespace: "two" })) as [
    LeaseBackend,
    LeaseBackend,
  ];
  const first = await hold(there, "r");
  const second = await hold(here, "r", { agentId: "bob" });
  expect(second.token).toBeGreaterThan(first.token);

  for (const each of sentinel.sentinels) each.resume();
  await expect
    .poll(() => there.renew([first]).catch(({ code }: { code: string }) => code))
    .toEqual([{ status: "not-found" }]);
  expect(await here.renew([second])).toMatchObject([{ status: "renewed", lease: { token: second.token } }]);
});

test("a sentinel that hangs, and one that is gone: the third is asked within the bound", async () => {
  const [hung, gone] = sentinel.sentinels as [RedisServer, RedisServer, RedisServer];
  await gone.kill();
  hung.pause();
  try {
    const lease = await hold(openByName("third"), "r");
    expect(lease.state).toBe("active");
  } finally {
    hung.resume();
  }
});

test("no sentinel answers: BACKEND_UNAVAILABLE within the bound, saying so; and all well once one is back", async () => {
  const [only, ...others] = sentinel.sentinels as [RedisServer, RedisServer, RedisServer];
  for (const each of others) await each.kill();
  await only.kill();
  const backend = openByName("none", [only]);
  const sent = performance.now();
  await expect(backend.acquire(request("r"))).rejects.toMatchObject({
    code: "BACKEND_UNAVAILABLE",
    message: expect.stringMatching(/sentinel/i),
  });
  expect(performance.now() - sent).toBeLessThan(LESS_THAN_DEFAULT_MS);
  await only.restart();
  await untilGranted(backend, "r", "alice");
});

async function untilGranted(backend: LeaseBackend, resource: string, agentId: string) {
  const asked = request(resource, { agentId });
  for (;;) {
    const result = await backend.acquire(asked).catch((error: Error) => error);
    if (!(result instanceof Error) && result.status === "granted") return result.lease;
    await pause(20);
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
