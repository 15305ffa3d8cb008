/** Queued requests while something is wrong around them. */
import { GRPCUnavailableError } from "etcd3";
import { expect, test } from "vitest";
import { etcdBackend } from "../src/index.js";
import { hold, ownEtcd, pause, plainClient, release, request, until, watchers } from "./helpers.js";

const { etcd, client } = await ownEtcd();

test("queued, but not answered so: the outcome is unknown, not that nothing was applied", async () => {
  const own = plainClient(etcd.endpoints);
  const backend = etcdBackend({ client: own, namespace: "unseen" });
  await hold(backend, "r");
  // A spare etcd lease that needs a keep-alive before it is good for a whole term again.
  await release(backend, await hold(backend, "spare", { ttlMs: 15_000 }));
  await pause(1100);
  own.leaseClient.leaseKeepAlive = () =>
    Promise.reject(new GRPCUnavailableError("No connection established"));
  const asked = request("r", { agentId: "bob", wait: "queue", waitTtlMs: 15_000 });
  await expect(backend.acquire(asked)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  expect((await backend.list({ state: "pending" })).leases.map(({ id }) => id)).toEqual([asked.id]);
  await backend.close();
  own.close();
});

test("a record in the way that cannot be read, and then is gone: whoever waits behind it is woken", async () => {
  const backend = etcdBackend({ hosts: etcd.endpoints, namespace: "corrupt" });
  const held = await hold(backend, "r");
  const asked = request("r", { agentId: "bob", wait: "queue" });
  await backend.acquire(asked);
  const turn = backend.turn({ id: asked.id, timeoutMs: 20_000 });
  await until(async () => ((await watchers(etcd)) === 2 ? true : undefined));
  const key = Buffer.from(`corrupt\0i/${held.id}`);
  await client.kv.put({ key, value: Buffer.from("garbage") });
  await client.kv.txn({
    success: [
      { request_delete_range: { key } },
      { request_delete_range: { key: Buffer.from("corrupt\0x/r/\0e") } },
    ],
  });
  await turn;
  expect((await backend.acquire(asked)).status).toBe("granted");
  await backend.close();
});

test("a request over many paths gets through between others that never stop, by way of the queue", async () => {
  const own = plainClient(etcd.endpoints);
  const backend = etcdBackend({ client: own, namespace: "wide" });
  const other = etcdBackend({ hosts: etcd.endpoints, namespace: "wide" });
  const claims = Array.from({ length: 80 }, (_, index) => ({
    resource: `f/${index}`,
    mode: "exclusive" as const,
  }));
  // Before each of its transactions somebody else claims something elsewhere.
  const txn = own.kv.txn.bind(own.kv);
  let others = 0;
  own.kv.txn = async (...args) => {
    others += 1;
    if ((args[0].compare?.length ?? 0) > 0) await hold(other, `elsewhere/${others}`);
    return txn(...args);
  };
  const result = await backend.acquire(request("", { claims, wait: "queue" }));
  expect(result.status).toBe("granted");
  expect((await other.acquire(request("f/3"))).status).toBe("refused");
  await Promise.all([backend.close(), other.close()]);
  own.close();
});

test("as many claims as one transaction compares are granted, and queued, in one", async () => {
  const backend = etcdBackend({ hosts: etcd.endpoints, namespace: "most" });
  const claims = Array.from({ length: 59 }, (_, index) => ({
    resource: `f${index}`,
    mode: "shared" as const,
  }));
  const held = await hold(backend, "f7");
  const asked = request("", { claims, wait: "queue" });
  expect(await backend.acquire(asked)).toMatchObject({ status: "refused", position: 2 });
  await release(backend, held);
  expect((await backend.acquire(asked)).status).toBe("granted");
  expect((await backend.acquire(request("", { claims, wait: "queue" }))).status).toBe("granted");
  await backend.close();
});
