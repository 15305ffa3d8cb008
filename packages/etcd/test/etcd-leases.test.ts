/** The etcd leases under it: few keys on each, none granted in vain, and none trusted that is gone. */
import { expect, test } from "vitest";
import { etcdBackend } from "../src/index.js";
import { etcdLeases, hold, ownEtcd, release, renew, request } from "./helpers.js";

const { etcd, client } = await ownEtcd();

/** Consensus writes of `count` of the same, by the server's own raft index. */
async function writes(count: number, run: (turn: number) => Promise<unknown>): Promise<number> {
  const index = async () => Number((await client.maintenance.status()).raftAppliedIndex);
  const before = await index();
  for (let turn = 0; turn < count; turn += 1) await run(turn);
  return ((await index()) - before) / count;
}

test("consensus writes: one each for acquire, enqueue, promotion and release, none for renewals and heartbeats", async () => {
  const COUNT = 30;
  const backend = etcdBackend({ hosts: etcd.endpoints, namespace: "writes" });
  // What is granted once and then used again: as many etcd leases as will be held and waited on at a time.
  const warm = [];
  for (let turn = 0; turn < 2 * COUNT; turn += 1) warm.push(await hold(backend, `warm/${turn}`));
  for (const lease of warm) await release(backend, lease);

  for (let round = 0; round < 2; round += 1) {
    const held: Awaited<ReturnType<typeof hold>>[] = [];
    const waiting = Array.from({ length: COUNT }, (_, turn) =>
      request(`r/${turn}`, { agentId: "bob", wait: "queue", waitTtlMs: 60_000 }),
    );
    const asked = (turn: number) => waiting[turn] as (typeof waiting)[number];
    const counts = {
      acquire: await writes(COUNT, async (turn) => held.push(await hold(backend, `r/${turn}`))),
      renew: await writes(COUNT, (turn) => renew(backend, held[turn] as (typeof held)[number])),
      enqueue: await writes(COUNT, (turn) => backend.acquire(asked(turn))),
      heartbeat: await writes(COUNT, (turn) => backend.acquire(asked(turn))),
      release: await writes(COUNT, (turn) => release(backend, held[turn] as (typeof held)[number])),
      promote: await writes(COUNT, async (turn) => {
        await backend.turn({ id: asked(turn).id, timeoutMs: 5000 });
        expect((await backend.acquire(asked(turn))).status).toBe("granted");
      }),
      leave: await writes(COUNT, (turn) =>
        backend.release([{ kind: "release", id: asked(turn).id, agentId: "bob" }]),
      ),
    };
    expect(counts).toEqual({
      acquire: 1,
      renew: 0,
      enqueue: 1,
      heartbeat: 0,
      release: 1,
      promote: 1,
      leave: 1,
    });
  }
  await backend.close();
});

test("pairs without end are granted no further etcd lease: what remembers an id is free again with it", async () => {
  const backend = etcdBackend({ hosts: etcd.endpoints, namespace: "pairs" });
  const pairs = (count: number) =>
    Promise.all(
      Array.from({ length: 16 }, async (_, caller) => {
        for (let turn = 0; turn < count; turn += 1)
          await release(backend, await hold(backend, `r/${caller}`));
      }),
    );
  await pairs(4);
  const before = (await etcdLeases(client)).length;
  await pairs(80);
  expect((await etcdLeases(client)).length).toBe(before);
  await backend.close();
});

test("etcd leases revoked behind our back, idle ones too: the next call of each kind gets through", async () => {
  const backend = etcdBackend({ hosts: etcd.endpoints, namespace: "gone" });
  const fill = async () => {
    const held = [];
    for (let turn = 0; turn < 40; turn += 1) held.push(await hold(backend, `fill/${turn}`));
    await backend.release([{ kind: "abandon", id: request("r").id, agentId: "alice" }]);
    for (const lease of held) await release(backend, lease);
  };
  /** All but those that carry a claim of ours: what is held stays so. */
  const revokeSpare = async () => {
    await fill();
    for (const ID of await etcdLeases(client)) {
      const { keys } = await client.leaseClient.leaseTimeToLive({ ID, keys: true });
      const isSpare = keys.every(
        (key) => !key.toString().startsWith("gone\0i") && !/^gone\0[xs]/.test(key.toString()),
      );
      if (isSpare) await client.leaseClient.leaseRevoke({ ID });
    }
  };
  await revokeSpare();
  const lease = await hold(backend, "r");
  await revokeSpare();
  const asked = request("r", { agentId: "bob", wait: "queue" });
  expect((await backend.acquire(asked)).status).toBe("refused");
  await revokeSpare();
  const longer = await backend.renew([
    { id: lease.id, agentId: "alice", token: lease.token, renewal: 1, ttlMs: 90_000 },
  ]);
  expect(longer).toMatchObject([{ status: "renewed", lease: { expiresInMs: 90_000 } }]);
  await revokeSpare();
  const unknown = request("r").id;
  expect(await backend.release([{ kind: "abandon", id: unknown, agentId: "alice" }])).toEqual([
    { status: "not-found" },
  ]);
  expect((await backend.acquire(request("r", { id: unknown }))).status).toBe("ended");
  await revokeSpare();
  const softly = { kind: "revoke", id: lease.id, by: "ops", reason: null, graceMs: 60_000 } as const;
  expect(await backend.release([softly])).toEqual([{ status: "revoking" }]);
  await revokeSpare();
  expect(await backend.release([{ ...softly, graceMs: 0 }])).toEqual([{ status: "revoked" }]);
  await revokeSpare();
  await backend.turn({ id: asked.id, timeoutMs: 5000 });
  expect((await backend.acquire(asked)).status).toBe("granted");
  await revokeSpare();
  const counted = await hold(backend, "counted", { maxRenewals: 3 });
  await revokeSpare();
  expect((await renew(backend, counted)).status).toBe("renewed");
  await backend.close();
}, 60_000);

test("no etcd lease carries more than 1,000 keys, however many acquire at once", async () => {
  const backend = etcdBackend({ hosts: etcd.endpoints, namespace: "many", timeoutMs: 20_000 });
  // One that remembers ids is there, and has room for all who ask before the first is answered.
  await release(backend, await hold(backend, "first"));
  await Promise.all(Array.from({ length: 1100 }, (_, turn) => hold(backend, `many/${turn}`)));
  const most = await Promise.all(
    (await etcdLeases(client)).map(async (ID) => {
      const { keys } = await client.leaseClient.leaseTimeToLive({ ID, keys: true });
      return keys.length;
    }),
  );
  expect(Math.max(...most)).toBeGreaterThan(100);
  expect(Math.max(...most)).toBeLessThanOrEqual(1000);
  await backend.close();
}, 60_000);
