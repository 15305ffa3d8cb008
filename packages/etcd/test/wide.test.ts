/** Requests over many resources: what they compete with, and where etcd's bound of 128 operations lies. */
import type { LeaseBackend } from "@lease/core";
import type { Etcd3 } from "etcd3";
import { expect, test } from "vitest";
import { etcdBackend } from "../src/index.js";
import { hold, ownEtcd, plainClient, release, request } from "./helpers.js";

const { etcd } = await ownEtcd();

const files = (count: number, folder = "f") =>
  Array.from({ length: count }, (_, index) => ({
    resource: `${folder}/${index}`,
    mode: "exclusive" as const,
  }));

/** A backend before each of whose deciding transactions `meddle` runs in another one. */
async function meddled(
  namespace: string,
  meddle: (other: LeaseBackend, turn: number) => Promise<unknown>,
  run: (backend: LeaseBackend, other: LeaseBackend) => Promise<void>,
): Promise<void> {
  const client = plainClient(etcd.endpoints);
  const backend = etcdBackend({ client, namespace });
  const other = etcdBackend({ hosts: etcd.endpoints, namespace });
  const txn: Etcd3["kv"]["txn"] = client.kv.txn.bind(client.kv);
  let turns = 0;
  client.kv.txn = async (...args) => {
    if ((args[0].compare?.length ?? 0) > 0) {
      turns += 1;
      await meddle(other, turns);
    }
    return txn(...args);
  };
  await run(backend, other);
  await Promise.all([backend.close(), other.close()]);
  client.close();
}

test("40 free files are granted beside others that never stop, in the same folder and without waiting", async () => {
  await meddled(
    "beside",
    (other, turn) => hold(other, `f/other-${turn}`),
    async (backend, other) => {
      const wide = request("", { claims: files(40) });
      expect((await backend.acquire(wide)).status).toBe("granted");
      expect((await other.acquire(request("f/7"))).status).toBe("refused");
    },
  );
});

test("100 free files are granted beside others elsewhere, without waiting", async () => {
  await meddled(
    "elsewhere",
    (other, turn) => hold(other, `elsewhere/${turn}`),
    async (backend) => {
      expect((await backend.acquire(request("", { claims: files(100) }))).status).toBe("granted");
    },
  );
});

test("one over too many ranges for a transaction gets through between its neighbours by way of the queue", async () => {
  await meddled(
    "neighbours",
    (other, turn) =>
      other.acquire(
        request("", {
          claims: files(60).map(({ resource, mode }) => ({ resource: `${resource}x${turn}`, mode })),
        }),
      ),
    async (backend, other) => {
      const wide = request("", { claims: files(100), wait: "queue" });
      expect((await backend.acquire(wide)).status).toBe("granted");
      expect((await other.acquire(request("f/99"))).status).toBe("refused");
    },
  );
});

test("what came between reading and writing is in the way", async () => {
  await meddled(
    "between",
    async (other, turn) => {
      if (turn === 1) await hold(other, "f/31", { agentId: "bob" });
    },
    async (backend) => {
      const refused = await backend.acquire(request("", { claims: files(100) }));
      expect(refused).toMatchObject({ status: "refused", blockers: [{ agentId: "bob", resource: "f/31" }] });
    },
  );
});

test("the last acquire of a waiter over 100 files is refused, and leaves nothing in the queue", async () => {
  const backend = etcdBackend({ hosts: etcd.endpoints, namespace: "last" });
  const held = await hold(backend, "f/50", { agentId: "bob" });
  const wide = request("", { claims: files(100), wait: "queue" });
  expect(await backend.acquire(wide)).toMatchObject({ status: "refused", lease: { state: "pending" } });
  const last = await backend.acquire({ ...wide, wait: "no" });
  expect(last).toMatchObject({ status: "refused", lease: null, blockers: [{ id: held.id }] });
  expect((await backend.acquire(request("f/3"))).status).toBe("granted");
  await backend.close();
});

test("the last acquire of a waiter with 15 claims and 50 blockers names how many there are", async () => {
  const backend = etcdBackend({ hosts: etcd.endpoints, namespace: "crowd" });
  const shared = [{ resource: "d/0/x", mode: "shared" as const }];
  for (let index = 0; index < 50; index += 1) await hold(backend, "", { claims: shared });
  const resources = ["g", "h", ...Array.from({ length: 13 }, (_, index) => `d/${index}/x`)];
  const claims = resources.map((resource) => ({ resource, mode: "exclusive" as const }));
  const wide = request("", { claims, wait: "queue" });
  expect(await backend.acquire(wide)).toMatchObject({ status: "refused", blockerCount: 50 });
  const last = await backend.acquire({ ...wide, wait: "no" });
  expect(last).toMatchObject({ status: "refused", lease: null, blockerCount: 50, position: 51 });
  expect((await backend.list({ state: "pending" })).leases).toEqual([]);
  await backend.close();
});

test("the last acquire of a waiter is granted where all ends in the moment before it leaves", async () => {
  let held: Awaited<ReturnType<typeof hold>> | undefined;
  await meddled(
    "moment",
    async (other) => {
      if (held !== undefined) await release(other, held);
      held = undefined;
    },
    async (backend, other) => {
      const last = await hold(other, "f/50", { agentId: "bob" });
      const wide = request("", { claims: files(100), wait: "queue" });
      expect((await backend.acquire(wide)).status).toBe("refused");
      held = last;
      expect((await backend.acquire({ ...wide, wait: "no" })).status).toBe("granted");
    },
  );
});
