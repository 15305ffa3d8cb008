/** A real cluster of three masters: the contract, and a namespace that moves to another node. */
import { type RedisCluster, type RedisServer, startRedisCluster } from "@lease/test-servers";
import { conformance, modelTest } from "@lease/testing";
import { Cluster } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { again, hold, LESS_THAN_DEFAULT_MS, open, queue, release, request } from "./helpers.js";
import { twoProcesses } from "./processes.js";

let cluster: RedisCluster;
let client: Cluster;

beforeAll(async () => {
  cluster = await startRedisCluster();
  client = new Cluster(
    cluster.nodes.map(({ host, port }) => ({ host, port })),
    { lazyConnect: true },
  );
});
afterAll(() => cluster.stop());

describe("two processes on three masters", () => {
  const factory = twoProcesses(() => ({ cluster: cluster.nodes.map(({ port }) => port) }));
  const concurrently = (name: string, run: () => Promise<void>) => test.concurrent(name, run);
  conformance({ test: concurrently, factory });
  modelTest({ test: concurrently, factory, runs: 6 });
});

test("namespaces spread over the masters", async () => {
  for (let index = 0; index < 12; index += 1) await hold(open({ client, namespace: `n${index}` }), "r");
  const sizes = await Promise.all(cluster.nodes.map((node) => node.command("DBSIZE")));
  expect(sizes.every((size) => Number(size) > 0)).toBe(true);
});

test("a namespace that moves to another master is followed there (MOVED), and so are its waiters", async () => {
  const namespace = "moving";
  const slot = Number(await node(0).command("CLUSTER", "KEYSLOT", `lease:{${namespace}}`));
  const backend = open({ client, namespace });
  const other = open({ client, namespace });
  expect((await backend.list({})).leases).toEqual([]);
  await moveEmptySlot(slot);

  const held = await hold(backend, "src/**");
  const pending = await queue(other, "src/a.ts", { agentId: "bob" });
  const turn = other.turn({ id: pending.id, timeoutMs: 30_000 });
  expect(await release(backend, held)).toBe("released");
  await turn;
  expect(await other.acquire(again(pending))).toMatchObject({ status: "granted" });
});

test("a master that is killed: typed errors within the bound, and all well once it is back", async () => {
  const namespace = "killed";
  const backend = open({ client, namespace, callTimeoutMs: 800 });
  const before = await hold(backend, "r");
  const slot = Number(await node(0).command("CLUSTER", "KEYSLOT", `lease:{${namespace}}`));
  const owner = await ownerOf(slot);
  await owner.kill();
  for (let call = 0; call < 3; call += 1) {
    const sent = performance.now();
    await expect(backend.renew([before])).rejects.toMatchObject({
      code: expect.stringMatching(/^(OUTCOME_UNKNOWN|BACKEND_UNAVAILABLE)$/),
    });
    expect(performance.now() - sent).toBeLessThan(LESS_THAN_DEFAULT_MS);
  }
  await owner.restart();
  const asked = request("r", { agentId: "bob" });
  const granted = () =>
    backend.acquire(asked).then(
      (result) => result.status === "granted" && result.lease.token > before.token,
      () => false,
    );
  await expect.poll(granted).toBe(true);
});

function node(index: number): RedisServer {
  return cluster.nodes[index] as RedisServer;
}

async function ownerOf(slot: number): Promise<RedisServer> {
  const ranges = (await node(0).command("CLUSTER", "SLOTS")) as [number, number, [string, number]][];
  const range = ranges.find(([from, to]) => from <= slot && slot <= to);
  return cluster.nodes.find(({ port }) => port === range?.[2][1]) as RedisServer;
}

async function moveEmptySlot(slot: number): Promise<void> {
  const owner = await ownerOf(slot);
  const target = cluster.nodes.find((each) => each !== owner) as RedisServer;
  const id = String(await target.command("CLUSTER", "MYID"));
  for (const each of cluster.nodes) await each.command("CLUSTER", "SETSLOT", slot, "NODE", id);
}
