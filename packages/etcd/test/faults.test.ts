/** What an etcd can do to its clients without losing a member. */
import { createLeaseManager, type LeaseEvent } from "@lease/core";
import { startEtcd } from "@lease/test-servers";
import { processHost } from "@lease/testing";
import { describe, expect, test } from "vitest";
import { etcdBackend } from "../src/index.js";
import {
  compact,
  history,
  hold,
  ownEtcd,
  pause,
  plainClient,
  release,
  renew,
  request,
  until,
  untilGranted,
  watchers,
} from "./helpers.js";

const { etcd, client } = await ownEtcd();

test("an etcd lease revoked behind our back: the holder is told at once, long before its next renewal", async () => {
  const backend = etcdBackend({ hosts: etcd.endpoints, namespace: "behind" });
  // Its next renewal, after 200 s, would come too late for this test.
  const leases = createLeaseManager({ backend, agentId: "alice", defaults: { ttlMs: 600_000 } });
  const lease = await leases.acquire("r");
  await until(async () => ((await watchers(etcd)) === 1 ? true : undefined));
  const [record] = (await client.kv.range({ key: Buffer.from(`behind\0i/${lease.id}`) })).kvs;
  await client.leaseClient.leaseRevoke({ ID: record?.lease ?? "0" });
  await until(() => (lease.signal.aborted ? true : undefined));
  expect(lease.loss).toMatchObject({ code: "LEASE_LOST", details: { how: "expired" } });
  await leases.close();
  await backend.close();
});

test("an etcd that answers every step, but slowly: the whole operation ends at twice the bound of a step", async () => {
  const own = plainClient(etcd.endpoints);
  const backend = etcdBackend({ client: own, namespace: "sluggish", timeoutMs: 100 });
  const txn = own.kv.txn.bind(own.kv);
  const answers: Promise<unknown>[] = [];
  own.kv.txn = async (...args) => {
    const slow = pause(500).then(() => txn(args[0]));
    answers.push(slow);
    return slow;
  };
  const ends: [string, () => Promise<unknown>][] = [
    ["OUTCOME_UNKNOWN", () => backend.acquire(request("r"))],
    ["OUTCOME_UNKNOWN", () => backend.release([{ kind: "abandon", id: request("r").id, agentId: "alice" }])],
    ["BACKEND_UNAVAILABLE", () => backend.list({})],
  ];
  const ended = Promise.all(ends.map(([code, run]) => expect(run()).rejects.toMatchObject({ code })));
  await Promise.race([ended, Promise.all(answers).then(() => expect.fail("they waited for the answers"))]);
  await backend.close();
  own.close();
});

describe("compaction", () => {
  test("during a watch it disturbs nobody: a follower goes on, waiters are woken", async () => {
    const backend = etcdBackend({ hosts: etcd.endpoints, namespace: "compacted" });
    const seen: LeaseEvent[] = [];
    const abort = new AbortController();
    const following = (async () => {
      for await (const event of backend.changes({ follow: true, signal: abort.signal })) seen.push(event);
    })();
    const held = await hold(backend, "r");
    await until(() => (seen.length === 1 ? true : undefined));
    const asked = request("r", { agentId: "bob", wait: "queue" });
    await backend.acquire(asked);
    const turn = backend.turn({ id: asked.id, timeoutMs: 20_000 });
    await pause(200);
    await compact(client);
    await release(backend, held);
    await turn;
    expect((await backend.acquire(asked)).status).toBe("granted");
    await until(() => (seen.length === 4 ? true : undefined));
    expect(seen.map(({ type }) => type)).toEqual(["acquired", "queued", "released", "acquired"]);
    abort.abort();
    await following;
    await backend.close();
  });

  test("a cursor from before it is refused, never passed over; one from after it is good", async () => {
    const backend = etcdBackend({ hosts: etcd.endpoints, namespace: "cursors" });
    await release(backend, await hold(backend, "a"));
    const old = await history(backend);
    await hold(backend, "b");
    await compact(client);
    const follow = { follow: true, after: old[0]?.cursor };
    await expect(history(backend, old[0]?.cursor)).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
    await expect(backend.changes(follow)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: "CURSOR_EXPIRED",
    });
    await hold(backend, "c");
    const rest = await history(backend);
    expect(rest.map(({ lease }) => lease.claims[0]?.resource)).toEqual(["c"]);
    await hold(backend, "d");
    expect((await history(backend, rest[0]?.cursor)).length).toBe(1);
    await backend.close();
  });
});

test("no space left: holders renew and release, acquire says BACKEND_FULL, and after the repair all goes on", async () => {
  const small = await startEtcd({ args: ["--quota-backend-bytes", "1000000"] });
  const plain = plainClient(small.endpoints);
  const backend = etcdBackend({ hosts: small.endpoints });
  try {
    const [held, other, abandoned] = [
      await hold(backend, "r"),
      await hold(backend, "s"),
      await hold(backend, "t"),
    ];
    await hold(backend, "u", { ttlMs: 120_000 });
    const counted = await hold(backend, "v", { maxRenewals: 3 });
    const filler = Buffer.alloc(100_000, "x");
    await until(async () => {
      const full = await plain.kv.put({ key: Buffer.from("filler"), value: filler }).catch(() => true);
      return full === true ? true : undefined;
    });
    await expect(backend.acquire(request("new"))).rejects.toMatchObject({ code: "BACKEND_FULL" });
    await expect(backend.acquire(request("r", { wait: "queue" }))).rejects.toMatchObject({
      code: "BACKEND_FULL",
    });
    expect(await renew(backend, held)).toMatchObject({ status: "renewed", lease: { expiresInMs: 60_000 } });
    // What is counted cannot be: alone it says so; in a batch it is answered as a repeat, and the others are renewed.
    await expect(renew(backend, counted)).rejects.toMatchObject({ code: "BACKEND_FULL" });
    const batch = await backend.renew([held, counted].map((lease) => ({ ...lease, renewal: 1 })));
    expect(batch).toMatchObject([
      { status: "renewed", repeated: false, lease: { expiresInMs: 60_000 } },
      { status: "renewed", repeated: true, lease: { renewals: 0 } },
    ]);
    expect(await release(backend, counted)).toBe("released");
    expect(await release(backend, held)).toBe("released");
    expect(await release(backend, held)).toBe("not-found");
    const ends = await backend.release([
      { kind: "abandon", id: abandoned.id, agentId: "alice" },
      { kind: "revoke", id: other.id, by: "ops", reason: null, graceMs: 0 },
    ]);
    expect(ends.map(({ status }) => status)).toEqual(["released", "revoked"]);
    expect((await backend.list({})).leases.length).toBe(1);
    expect((await history(backend)).filter(({ type }) => type === "released").length).toBeGreaterThan(0);

    const { header } = await plain.kv.range({ key: Buffer.from("filler") });
    await plain.kv.compact({ revision: header.revision, physical: true });
    await plain.maintenance.defragment();
    await plain.maintenance.alarm({ action: "Deactivate", memberID: header.member_id, alarm: "Nospace" });
    expect((await untilGranted(backend, request("r"))).status).toBe("granted");
    // What was abandoned meanwhile has had its life.
    expect((await backend.acquire(request("t", { id: abandoned.id }))).status).toBe("ended");
  } finally {
    await backend.close();
    plain.close();
    await small.stop();
  }
}, 120_000);

test("etcd gone and back, with everything under way, under --unhandled-rejections=strict: the process lives", async () => {
  const doomed = await startEtcd();
  const host = await processHost({
    module: new URL("./etcd.worker.ts", import.meta.url),
    execArgv: ["--unhandled-rejections=strict", "--no-warnings"],
  });
  try {
    const backend = await host.open({ hosts: doomed.endpoints, timeoutMs: 1000 });
    const held = await hold(backend, "r", { ttlMs: 60_000 });
    const asked = request("r", { agentId: "bob", wait: "queue", waitTtlMs: 60_000 });
    await backend.acquire(asked);
    const turn = backend.turn({ id: asked.id, timeoutMs: 20_000 }).catch((error: unknown) => error);
    const seen: LeaseEvent[] = [];
    const abort = new AbortController();
    const following = (async () => {
      for await (const event of backend.changes({ follow: true, signal: abort.signal })) seen.push(event);
    })();
    await until(() => (seen.length === 2 ? true : undefined));
    await doomed.members[0]?.kill();
    const calls = [hold(backend, "x"), renew(backend, held), release(backend, held), backend.list({})];
    for (const { reason } of (await Promise.allSettled(calls)) as PromiseRejectedResult[]) {
      expect(reason).toMatchObject({ code: expect.stringMatching(/BACKEND_UNAVAILABLE|OUTCOME_UNKNOWN/) });
    }
    await doomed.members[0]?.restart();
    await until(async () =>
      (await renew(backend, held).catch(() => null))?.status === "renewed" ? true : undefined,
    );
    expect(await release(backend, held)).toBe("released");
    await turn;
    expect((await untilGranted(backend, asked)).lease.id).toBe(asked.id);
    await until(() => (seen.length >= 4 ? true : undefined));
    expect(seen.map(({ type }) => type)).toEqual(["acquired", "queued", "released", "acquired"]);
    abort.abort();
    await following;
    await backend.close();
    const gone = await Promise.race([host.exited.then(() => "gone"), pause(200).then(() => "alive")]);
    expect(gone).toBe("alive");
  } finally {
    await host.stop();
    await doomed.stop();
  }
}, 120_000);
