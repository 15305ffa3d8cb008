/** Renewals between whose steps something else happens. */
import type { LeaseBackend } from "@lease/core";
import { type Etcd3, GRPCUnavailableError } from "etcd3";
import { expect, test } from "vitest";
import { etcdBackend } from "../src/index.js";
import { hold, ownEtcd, plainClient, renew } from "./helpers.js";

const { etcd } = await ownEtcd();

type Txn = Etcd3["kv"]["txn"];

/** A backend in a namespace of its own; its transactions go through `txn` once that is set. */
async function tampered(
  namespace: string,
  run: (
    backend: LeaseBackend,
    other: LeaseBackend,
    tamper: (txn: (send: Txn) => Txn) => void,
  ) => Promise<void>,
): Promise<void> {
  const client = plainClient(etcd.endpoints);
  const backend = etcdBackend({ client, namespace });
  const other = etcdBackend({ hosts: etcd.endpoints, namespace });
  const send: Txn = client.kv.txn.bind(client.kv);
  await run(backend, other, (txn) => {
    client.kv.txn = txn(send);
  });
  await Promise.all([backend.close(), other.close()]);
  client.close();
}

const notSent = () => Promise.reject(new GRPCUnavailableError("No connection established"));

test("a count that skips when it is read, and is the next one when that is confirmed, extends", async () => {
  await tampered("skips", async (backend, other, tamper) => {
    const held = await hold(backend, "r", { maxRenewals: 5 });
    let reads = 0;
    tamper((send) => async (...args) => {
      const answer = await send(...args);
      reads += 1;
      // Counts the first renewal, on the same etcd lease: a shorter TTL extends nothing.
      if (reads === 1) await other.renew([{ ...held, ttlMs: 1000, renewal: 1 }]);
      return answer;
    });
    const renewed = await renew(backend, held, 2);
    expect(renewed).toMatchObject({ status: "renewed", repeated: false, lease: { renewals: 2 } });
  });
});

test("kept alive, but not confirmed: the outcome is unknown, not that nothing was done", async () => {
  await tampered("unconfirmed", async (backend, _, tamper) => {
    const held = await hold(backend, "r");
    let reads = 0;
    tamper((send) => (...args) => {
      reads += 1;
      return reads === 1 ? send(...args) : notSent();
    });
    await expect(renew(backend, held)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(reads).toBe(2);
  });
});

test("one of a batch could not be written: the outcome of the batch is unknown", async () => {
  await tampered("part", async (backend, other, tamper) => {
    const held = await Promise.all(["a", "b"].map((resource) => hold(backend, resource, { maxRenewals: 5 })));
    const isWrite = ([{ compare }]: Parameters<Txn>) => (compare?.length ?? 0) > 0;
    let writes = 0;
    const failSecondWrite = (send: Txn): Txn => {
      writes = 0;
      return (...args) => {
        if (isWrite(args)) writes += 1;
        return isWrite(args) && writes === 2 ? notSent() : send(...args);
      };
    };
    tamper(failSecondWrite);
    const requests = held.map(({ id, agentId, token }) => ({ id, agentId, token, renewal: 1 }));
    await expect(backend.renew(requests)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    const counts = (await other.list({})).leases.map(({ renewals }) => renewals);
    expect(counts.sort()).toEqual([0, 1]);

    tamper(failSecondWrite);
    const ends = held.map(({ id, agentId, token }) => ({ kind: "release" as const, id, agentId, token }));
    await expect(backend.release(ends)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect((await other.list({})).leases.length).toBe(1);
  });
});
