/** A namespace that moves from one master of a real cluster to another, with leases held, waiters and followers. */
import type { LeaseBackend } from "@lease/core";
import { type RedisCluster, startRedisCluster } from "@lease/test-servers";
import { Cluster } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clientsLike } from "../src/clients.js";
import { Connection } from "../src/connection.js";
import { namespaceKeys } from "../src/keys.js";
import { script } from "../src/scripts/load.js";
import { again, closing, hold, LESS_THAN_DEFAULT_MS, open, queue, release, request } from "./helpers.js";
import { beginMove, slotOf } from "./slots.js";

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

test.each([
  ["with an index", "indexed", "src/**", "src/a.ts"],
  ["without one", "plain", "r", "r"],
])("a namespace %s is moved key by key, and nothing is lost", async (_, namespace, wanted, next) => {
  const backend = open({ client, namespace });
  const other = open({ client, namespace });
  const { told, end } = follow(other);
  const held = await hold(backend, wanted);
  const pending = await queue(other, next, { agentId: "bob" });
  const turn = other.turn({ id: pending.id, timeoutMs: 60_000 });
  await expect.poll(() => told).toEqual(["acquired", "queued"]);

  const move = await beginMove(cluster, await slotOf(cluster, namespaceKeys(namespace).hash));
  const keys = await move.keysLeft();
  expect(keys.length).toBe(namespace === "indexed" ? 3 : 2);
  // One half here, one half there: no script may run on it. The call waits until it is whole again.
  await move.moveKey(keys[0] as string);
  await move.from.command("CONFIG", "RESETSTAT");
  let answered = false;
  const renewing = backend.renew([held]).finally(() => {
    answered = true;
  });
  await expect
    .poll(async () => String(await move.from.command("INFO", "errorstats")))
    .toMatch(/errorstat_(TRYAGAIN|ASK):/);
  expect(answered).toBe(false);
  for (const key of await move.keysLeft()) await move.moveKey(key);
  await move.finish();
  expect(await renewing).toMatchObject([{ status: "renewed", lease: { token: held.token } }]);

  expect(await backend.acquire(request(next, { agentId: "carol" }))).toMatchObject({ status: "refused" });
  expect(await release(backend, held)).toBe("released");
  await turn;
  expect(await other.acquire(again(pending))).toMatchObject({
    status: "granted",
    lease: { token: pending.token },
  });
  await expect.poll(() => told).toEqual(["acquired", "queued", "renewed", "released", "acquired"]);
  await end();
  const { hash } = namespaceKeys(namespace);
  expect(await move.to.command("EXISTS", hash)).toBe(1);
  await expect(move.from.command("EXISTS", hash)).rejects.toThrow("MOVED");
});

test("all keys have moved and the slot has not: what is asked is asked of the new master (ASK)", async () => {
  const namespace = "asking";
  const backend = open({ client, namespace });
  // As long as none of the three keys is missing: an index without leases is none.
  const staying = await hold(backend, "docs/**");
  const held = await hold(backend, "src/**");
  const move = await beginMove(cluster, await slotOf(cluster, namespaceKeys(namespace).hash));
  for (const key of await move.keysLeft()) await move.moveKey(key);
  expect(await backend.renew([held])).toMatchObject([{ status: "renewed" }]);
  expect(await release(backend, held)).toBe("released");
  const after = await hold(backend, "src/**", { agentId: "bob" });
  expect(after.token).toBeGreaterThan(held.token);
  await move.finish();
  expect((await backend.list({})).leases.map(({ id }) => id)).toEqual([staying.id, after.id]);
});

test("a move that stops half way: typed errors within the bound, nothing done, and all well when it is finished", async () => {
  const namespace = "stuck";
  const backend = open({ client, namespace, callTimeoutMs: 400 });
  const held = await hold(backend, "src/**");
  const move = await beginMove(cluster, await slotOf(cluster, namespaceKeys(namespace).hash));
  await move.moveKey(namespaceKeys(namespace).history);
  for (let call = 0; call < 2; call += 1) {
    const sent = performance.now();
    await expect(hold(backend, `other/${call}`)).rejects.toMatchObject({
      code: expect.stringMatching(/^(OUTCOME_UNKNOWN|BACKEND_UNAVAILABLE)$/),
    });
    expect(performance.now() - sent).toBeLessThan(LESS_THAN_DEFAULT_MS);
  }
  await move.finish();
  await expect
    .poll(() =>
      backend.renew([held]).then(
        ([result]) => result?.status,
        () => "not yet",
      ),
    )
    .toBe("renewed");
});

test("a move that takes longer than redirections are followed: BACKEND_UNAVAILABLE, and not for ever", async () => {
  const namespace = "long";
  const backend = open({ client, namespace, callTimeoutMs: 2_000 });
  await hold(backend, "src/**");
  const move = await beginMove(cluster, await slotOf(cluster, namespaceKeys(namespace).hash));
  await move.moveKey(namespaceKeys(namespace).history);
  // The last redirection may be of any kind: none of them means that the client is the wrong one.
  const calls = Array.from({ length: 6 }, (_, index) => hold(backend, `other/${index}`));
  for (const outcome of await Promise.allSettled(calls)) {
    expect(outcome).toMatchObject({
      reason: { code: expect.stringMatching(/^(BACKEND_UNAVAILABLE|OUTCOME_UNKNOWN)$/) },
    });
  }
  await move.finish();
  await hold(backend, "at last");
});

test("keys of any namespace share a slot; a script over two slots would be refused by name (CROSSSLOT)", async () => {
  for (const namespace of ["a", "{a}", "a}b{c", "}{", "日本", "a:b{}"]) {
    const slots = await Promise.all(namespaceKeys(namespace).all.map((key) => slotOf(cluster, key)));
    expect(new Set(slots).size).toBe(1);
  }
  const connection = closing(
    new Connection({
      clients: clientsLike(client, 2_000),
      keys: ["lease:{a}", "lease:{b}"],
      timeoutMs: 2_000,
      allowEviction: false,
    }),
  );
  await expect(connection.run(script("return 1"), [])).rejects.toMatchObject({
    code: "BACKEND_INCOMPATIBLE",
    message: expect.stringContaining("hash tags"),
  });
});

function follow(backend: LeaseBackend) {
  const abort = new AbortController();
  const told: string[] = [];
  const following = (async () => {
    for await (const { type } of backend.changes({ follow: true, signal: abort.signal })) told.push(type);
  })();
  return {
    told,
    end: async () => {
      abort.abort();
      await following;
    },
  };
}
