/** Requests of one process are served in the order in which they were made. */
import { createLeaseManager } from "@lease/core";
import { expect, test } from "vitest";
import { etcdBackend } from "../src/index.js";
import { ownEtcd, plainClient, request } from "./helpers.js";

const { etcd } = await ownEtcd();

test("withLease calls of one tick, for one resource or a folder above it, are served in their order", async () => {
  const backend = etcdBackend({ hosts: etcd.endpoints, namespace: "tick" });
  const leases = createLeaseManager({ backend, agentId: "alice" });
  const served: number[] = [];
  const calls = Array.from({ length: 12 }, (_, index) =>
    leases.withLease(index % 3 === 2 ? "src/**" : "src/app.ts", async () => {
      served.push(index);
    }),
  );
  await Promise.all(calls);
  expect(served).toEqual(calls.map((_, index) => index));
  await leases.close();
  await backend.close();
});

test("one that etcd does not answer holds up those behind it for a second, and others not at all", async () => {
  const client = plainClient(etcd.endpoints);
  const backend = etcdBackend({ client, namespace: "hangs", timeoutMs: 20_000 });
  const txn = client.kv.txn.bind(client.kv);
  let answer = () => {};
  client.kv.txn = async (...args) => {
    if (!args[0].success?.some((operation) => String(operation.request_put?.key).includes("x/r/")))
      return txn(...args);
    client.kv.txn = txn;
    await new Promise<void>((resolve) => {
      answer = resolve;
    });
    return txn(...args);
  };
  const asked = (resource: string) => request(resource, { wait: "queue" });
  const hung = backend.acquire(asked("r"));
  const behind = backend.acquire(asked("r"));
  let isBehindAnswered = false;
  void behind.then(() => {
    isBehindAnswered = true;
  });
  expect((await backend.acquire(asked("elsewhere"))).status).toBe("granted");
  expect(isBehindAnswered).toBe(false);
  expect((await behind).status).toBe("granted");
  answer();
  expect((await hung).status).toBe("refused");
  await backend.close();
  client.close();
});
