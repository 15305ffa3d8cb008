/** What happens to members of a real cluster of three, and what holders and askers see of it. */
import { createLeaseId, createLeaseManager, FencingGuard, isLeaseError, type LeaseEvent } from "@lease/core";
import { type EtcdCluster, type EtcdMember, startEtcd } from "@lease/test-servers";
import { auditFeed } from "@lease/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { etcdBackend } from "../src/index.js";
import {
  history,
  hold,
  pause,
  plainClient,
  release,
  renew,
  request,
  until,
  untilGranted,
  watchers,
} from "./helpers.js";

let etcd: EtcdCluster;
let namespaces = 0;

beforeAll(async () => {
  etcd = await startEtcd({ members: 3 });
});
afterAll(() => etcd.stop());

function backendOn(namespace: string, timeoutMs = 3000) {
  return etcdBackend({ hosts: etcd.endpoints, namespace, timeoutMs });
}

function newNamespace(): string {
  namespaces += 1;
  return `fault-${namespaces}`;
}

async function leader(): Promise<EtcdMember> {
  return until(async () => {
    for (const member of etcd.members) {
      const client = plainClient(member.endpoint);
      try {
        const { header, leader } = await client.maintenance.status({ deadline: Date.now() + 500 });
        if (header.member_id === leader) return member;
      } catch {
        // Down, or busy electing.
      } finally {
        client.close();
      }
    }
    return undefined;
  });
}

test("leader killed under traffic: no two holders, every call ends, and each caller is granted before and after the election", async () => {
  const namespace = newNamespace();
  const clients = [0, 1, 2].map(() => backendOn(namespace));
  const inside = new Map<string, string>();
  /** The workers that were granted something since it was last cleared. */
  const granted = new Set<number>();
  let overlaps = 0;
  let over = false;

  const answered = async <T>(call: Promise<T>): Promise<T | undefined> => {
    try {
      return await call;
    } catch (error) {
      if (!isLeaseError(error, "BACKEND_UNAVAILABLE", "OUTCOME_UNKNOWN")) throw error;
      return undefined;
    }
  };

  const worker = async (index: number) => {
    const backend = clients[index % clients.length] as (typeof clients)[number];
    while (!over) {
      const resource = `r/${index % 4}`;
      const asked = request(resource, { agentId: `agent-${index}`, ttlMs: 30_000 });
      let result = await answered(backend.acquire(asked));
      // What became of it is unknown: asked again with the same id, etcd says.
      while (result === undefined && !over) result = await answered(backend.acquire(asked));
      if (result?.status !== "granted") {
        await pause(5);
        continue;
      }
      granted.add(index);
      if (inside.has(resource)) overlaps += 1;
      inside.set(resource, asked.id);
      await answered(backend.renew([{ ...result.lease, renewal: 1 }]));
      inside.delete(resource);
      let released: unknown;
      do
        released = await answered(
          backend.release([{ kind: "abandon", id: asked.id, agentId: asked.agentId }]),
        );
      while (released === undefined);
    }
  };
  const workers = Array.from({ length: 12 }, (_, index) => worker(index));
  const allGranted = () => until(() => (granted.size === workers.length ? true : undefined));
  await allGranted();
  const victim = await leader();
  await victim.kill();
  granted.clear();
  const elsewhere = await untilGranted(clients[0] as (typeof clients)[number], request("elsewhere"));
  await allGranted();
  over = true;
  await Promise.all(workers);
  await victim.restart();

  expect(overlaps).toBe(0);
  expect(elsewhere.status).toBe("granted");
  auditFeed(await history(clients[1] as (typeof clients)[number]));
  for (const client of clients) await client.close();
}, 180_000);

test("an acquire whose answer was lost is found by its id, and given back for good by abandoning it", async () => {
  const namespace = newNamespace();
  const [one, two] = [backendOn(namespace), backendOn(namespace)];
  const asked = request("r");
  await one.acquire(asked);
  const again = await two.acquire(asked);
  expect(again).toMatchObject({ status: "granted", repeated: true });
  expect(await two.release([{ kind: "abandon", id: asked.id, agentId: asked.agentId }])).toEqual([
    { status: "released" },
  ]);
  expect(await one.acquire(asked)).toMatchObject({ status: "ended", end: "released" });
  await Promise.all([one.close(), two.close()]);
});

test("a follower stopped (SIGSTOP): what it hung is asked elsewhere, and holders go on", async () => {
  const namespace = newNamespace();
  const leading = await leader();
  const stopped = etcd.members.find((member) => member !== leading) as EtcdMember;
  // The one that will hang is asked first.
  const hosts = [stopped.endpoint, ...etcd.endpoints.filter((endpoint) => endpoint !== stopped.endpoint)];
  const backend = etcdBackend({ hosts, namespace, timeoutMs: 3000 });
  const leases = createLeaseManager({ backend, agentId: "alice", defaults: { ttlMs: 15_000 } });
  let renewals = 0;
  leases.observe(({ type }) => {
    if (type === "renewed") renewals += 1;
  });
  const lease = await leases.acquire("r");
  stopped.pause();
  try {
    await until(() => (renewals > 0 ? true : undefined));
    expect(lease.isHeld()).toBe(true);
    const other = await leases.acquire("s", { waitMs: 60_000 });
    expect(other.isHeld()).toBe(true);
    expect(await lease.release()).toBe("released");
  } finally {
    stopped.resume();
    await leases.close();
    await backend.close();
  }
}, 180_000);

test("a member that has lost its leader: its watch is left, not believed, and the feed goes on elsewhere", async () => {
  const namespace = newNamespace();
  const [, ...others] = etcd.members;
  const backend = backendOn(namespace);
  const feed = backend.changes({ after: "end", follow: true })[Symbol.asyncIterator]();
  const next = feed.next();
  await until(async () => ((await watchers(etcd)) === 1 ? true : undefined));
  for (const member of others) member.pause();
  try {
    // It answers metrics and takes calls, but would tell of nothing that the others do.
    await until(async () => ((await watchers(etcd)) === 0 ? true : undefined));
  } finally {
    for (const member of others) member.resume();
  }
  const writer = backendOn(namespace);
  const { lease } = await untilGranted(writer, request("r"));
  expect((await next).value.lease.id).toBe(lease.id);
  await Promise.all([backend.close(), writer.close()]);
}, 180_000);

test("leader stopped past the TTL and resumed: whoever lost by it hears at once, and fencing refuses it", async () => {
  const namespace = newNamespace();
  const stopped = await leader();
  const hosts = etcd.endpoints.filter((endpoint) => endpoint !== stopped.endpoint);
  const backend = etcdBackend({ hosts, namespace, timeoutMs: 3000 });
  const watcher = etcdBackend({ hosts, namespace, timeoutMs: 3000 });
  const leases = createLeaseManager({ backend, agentId: "alice", defaults: { ttlMs: 5000 } });
  const seen: LeaseEvent[] = [];
  const abort = new AbortController();
  const following = (async () => {
    const feed = watcher.changes({ after: "end", follow: true, signal: abort.signal });
    for await (const event of feed) seen.push(event);
  })();
  const watched = (feeds: number) =>
    until(async () => {
      const counts = etcd.members.map((_, member) => watchers(etcd, member));
      return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0) >= feeds ? true : undefined;
    });
  await watched(1);
  const held = await Promise.all(["a", "b", "c"].map((resource) => leases.acquire(resource)));
  // The manager's own feed, too.
  await watched(2);
  stopped.pause();
  await pause(6500);
  const guard = new FencingGuard();
  stopped.resume();
  await pause(2500);

  // Which of them the server ended early is its fault's to say; what was ended becomes known.
  const live = new Set((await watcher.list({})).leases.map(({ id }) => id));
  for (const lease of held) {
    if (!live.has(lease.id)) {
      await until(() => (lease.isHeld() ? undefined : true));
      const next = await hold(watcher, lease.claims[0]?.resource ?? "", { agentId: "bob" });
      expect(next.token).toBeGreaterThan(lease.token);
      guard.admit("thing", { token: next.token });
      expect(() => guard.admit("thing", { token: lease.token })).toThrow(
        expect.objectContaining({ code: "FENCED" }),
      );
    }
  }
  abort.abort();
  await following;
  await leases.close();
  await backend.close();
  await watcher.close();
}, 180_000);

test("all members down: the holder is lost at its own deadline, not at twice its TTL; afterwards all is as before", async () => {
  const TTL_MS = 8000;
  const namespace = newNamespace();
  const backend = backendOn(namespace, 1000);
  const leases = createLeaseManager({ backend, agentId: "alice", defaults: { ttlMs: TTL_MS } });
  const acquiredAt = performance.now();
  const lease = await leases.acquire("r", { maxRenewals: 0 });
  const kept = await leases.acquire("s", { ttlMs: 600_000 });
  for (const member of etcd.members) await member.kill();
  await until(() => (lease.isHeld() ? undefined : true));
  expect(performance.now() - acquiredAt).toBeLessThan(2 * TTL_MS);
  const id = createLeaseId();
  await expect(backend.acquire(request("t", { id }))).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  await Promise.all(etcd.members.map((member) => member.restart()));
  expect((await untilGranted(backend, request("t", { id }))).repeated).toBe(false);
  await until(async () =>
    (await renew(backend, kept.lease, 1).catch(() => null))?.status === "renewed" ? true : undefined,
  );
  expect(kept.isHeld()).toBe(true);
  expect(await release(backend, kept.lease)).toBe("released");
  await leases.close();
  await backend.close();
}, 180_000);
