/** What is left after close(): no etcd lease without a lease on it, no watch, no timer, no connection. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { etcdBackend } from "../src/index.js";
import {
  etcdLeases,
  history,
  hold,
  ownEtcd,
  plainClient,
  release,
  renew,
  request,
  until,
  watchers,
} from "./helpers.js";

const { etcd, client } = await ownEtcd();

const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;

test("after much was going on nothing is left: etcd leases, watches, timers, connections", async () => {
  const before = timers();
  const backend = etcdBackend({ hosts: etcd.endpoints, namespace: "busy" });
  const held = await Promise.all(
    [0, 1, 2, 3].map((index) => hold(backend, `r/${index}`, { maxRenewals: 5 })),
  );
  await renew(backend, held[0] as (typeof held)[number]);
  const asked = request("r/0", { agentId: "bob", wait: "queue" });
  await backend.acquire(asked);
  const turn = expect(backend.turn({ id: asked.id, timeoutMs: 60_000 })).rejects.toMatchObject({
    code: "CLOSED",
  });
  const follow = expect(
    (async () => {
      for await (const _ of backend.changes({ follow: true })) _;
    })(),
  ).rejects.toMatchObject({ code: "CLOSED" });
  await until(async () => ((await watchers(etcd)) > 0 ? true : undefined));
  expect((await etcdLeases(client)).length).toBeGreaterThan(5);
  for (const lease of held.slice(1)) await release(backend, lease);
  await backend.close();
  await Promise.all([turn, follow]);
  // Only what is held and what waits is left, and the memory of both.
  expect((await etcdLeases(client)).length).toBeLessThanOrEqual(4);
  const other = etcdBackend({ hosts: etcd.endpoints, namespace: "busy" });
  for (const { id, agentId } of [held[0] as (typeof held)[number], asked]) {
    await other.release([{ kind: "release", id, agentId }]);
  }
  await other.close();
  for (const ID of await etcdLeases(client)) {
    expect((await client.leaseClient.leaseTimeToLive({ ID, keys: true })).keys).toEqual([]);
    await client.leaseClient.leaseRevoke({ ID });
  }
  expect(await watchers(etcd)).toBe(0);
  await expect.poll(timers).toBeLessThanOrEqual(before);
});

test("with nothing held not one etcd lease is left", async () => {
  const backend = etcdBackend({ hosts: etcd.endpoints, namespace: "empty" });
  const held = await Promise.all(
    [0, 1, 2, 3].map((index) => hold(backend, `r/${index}`, { maxRenewals: 5 })),
  );
  const asked = request("r/0", { agentId: "bob", wait: "queue" });
  await backend.acquire(asked);
  await renew(backend, held[0] as (typeof held)[number]);
  await backend.release([{ kind: "release", id: asked.id, agentId: "bob" }]);
  expect((await etcdLeases(client)).length).toBeGreaterThan(5);
  for (const lease of held) await release(backend, lease);
  await backend.close();
  expect(await etcdLeases(client)).toEqual([]);
});

test("what is held stays, on the etcd leases that carry it, and nothing else", async () => {
  const backend = etcdBackend({ hosts: etcd.endpoints, namespace: "held" });
  await Promise.all([0, 1, 2].map(async (index) => release(backend, await hold(backend, `spare/${index}`))));
  const lease = await hold(backend, "r");
  await backend.close();
  // The lease's own, and the one that remembers its id.
  expect((await etcdLeases(client)).length).toBe(2);
  const other = etcdBackend({ hosts: etcd.endpoints, namespace: "held" });
  expect(await release(other, lease)).toBe("released");
  expect((await history(other)).at(-1)?.type).toBe("released");
  await other.close();
});

test("a stream that idles ends alone: the connection that all others share stays", async () => {
  const [, port] = (etcd.endpoints[0] ?? "").split(":");
  const remote = `0100007F:${Number(port).toString(16).toUpperCase().padStart(4, "0")} 01`;
  const connections = () => readFileSync("/proc/self/net/tcp", "utf8").split(` ${remote}`).length - 1;
  const keptAlive = async () => {
    const metrics = await (await fetch(`http://${etcd.endpoints[0]}/metrics`)).text();
    const handled = /^grpc_server_handled_total{grpc_code="\w+",grpc_method="LeaseKeepAlive".* ([1-9]\d*)$/gm;
    return [...metrics.matchAll(handled)].reduce((sum, [, count]) => sum + Number(count), 0);
  };
  const backend = etcdBackend({ hosts: etcd.endpoints, namespace: "idle" });
  const before = await keptAlive();
  const follow = backend.changes({ after: "end", follow: true })[Symbol.asyncIterator]();
  const first = follow.next();
  await until(async () => ((await watchers(etcd)) === 1 ? true : undefined));
  await renew(backend, await hold(backend, "r"));
  const open = connections();
  await until(async () => ((await keptAlive()) > before ? true : undefined));
  await backend.list({});
  expect((await first).value.type).toBe("acquired");
  expect(connections()).toBe(open);
  await backend.close();
});

test("a call under way at close ends with CLOSED at once, and the close waits for its steps", async () => {
  const own = plainClient(etcd.endpoints);
  const backend = etcdBackend({ client: own, namespace: "underway" });
  const txn = own.kv.txn.bind(own.kv);
  let answer = () => {};
  const sent = new Promise<void>((onSent) => {
    own.kv.txn = async (...args) => {
      onSent();
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return txn(...args);
    };
  });
  const asked = request("r");
  const call = expect(backend.acquire(asked)).rejects.toMatchObject({ code: "CLOSED" });
  await sent;
  let isClosed = false;
  const closing = backend.close().then(() => {
    isClosed = true;
  });
  await call;
  expect(isClosed).toBe(false);
  answer();
  await closing;
  const other = etcdBackend({ hosts: etcd.endpoints, namespace: "underway" });
  // It was carried out all the same, as a call that ends with CLOSED may be.
  expect((await other.list({})).leases.map(({ id }) => id)).toEqual([asked.id]);
  await other.release([{ kind: "release", id: asked.id, agentId: asked.agentId }]);
  await other.close();
  own.close();
});

test("a backend that was never used asks etcd nothing", async () => {
  await etcdBackend({ hosts: "127.0.0.1:1" }).close();
});

test("a caller's client stays open", async () => {
  const own = plainClient(etcd.endpoints);
  const backend = etcdBackend({ client: own, namespace: "theirs" });
  await release(backend, await hold(backend, "r"));
  await backend.close();
  await own.put("k").value("v");
  expect(await own.get("k").string()).toBe("v");
  own.close();
});
