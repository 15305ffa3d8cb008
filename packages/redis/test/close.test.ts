/**
 * What is left after close(): no connection, and in Redis only the history and the counters. (No timer either:
 * `strict.test.ts` has processes that must end by themselves.)
 */
import { Redis } from "ioredis";
import { expect, test } from "vitest";
import { redisBackend } from "../src/index.js";
import { hold, info, queue, release, useServer } from "./helpers.js";

const server = useServer();

test("every connection is given back, however much was going on", async () => {
  const before = Number(await info(server(), "connected_clients"));
  const backend = redisBackend({ url: server().url });
  const held = await hold(backend, "r");
  const pending = await queue(backend, "r", { agentId: "bob" });
  const turn = expect(backend.turn({ id: pending.id, timeoutMs: 60_000 })).rejects.toMatchObject({
    code: "CLOSED",
  });
  const follow = expect(
    (async () => {
      for await (const _ of backend.changes({ follow: true })) _;
    })(),
  ).rejects.toMatchObject({ code: "CLOSED" });
  await expect.poll(async () => Number(await info(server(), "connected_clients"))).toBe(before + 3);
  await release(backend, held);
  await backend.close();
  await Promise.all([turn, follow]);
  await expect.poll(async () => Number(await info(server(), "connected_clients"))).toBe(before);
  await expect.poll(sockets).toBe(0);
});

test("a backend that was never used opens and leaves nothing", async () => {
  const before = Number(await info(server(), "total_connections_received"));
  await redisBackend({ url: server().url }).close();
  // Only our own two questions.
  expect(Number(await info(server(), "total_connections_received"))).toBe(before + 1);
});

test("a caller's client is not used, not changed and not closed", async () => {
  const client = new Redis(server().url, { keyPrefix: "app:", lazyConnect: true });
  client.on("error", () => {});
  const backend = redisBackend({ client, namespace: "theirs" });
  const lease = await hold(backend, "r");
  expect(client.status).toBe("wait");
  await client.set("k", "v");
  await release(backend, lease);
  await backend.close();
  expect(await client.get("k")).toBe("v");
  expect(await server().command("EXISTS", "lease:{theirs}", "app:lease:{theirs}")).toBe(1);
  client.disconnect();
});

test("after all leases have ended only the counters and the history are left, and a sweep empties that", async () => {
  await server().command("FLUSHALL");
  const backend = redisBackend({ url: server().url, namespace: "left", endMemoryMs: 0 });
  for (const resource of ["a", "src/**", "src/a.ts"]) await release(backend, await hold(backend, resource));
  const revoked = await hold(backend, "b");
  await backend.release([{ kind: "revoke", id: revoked.id, by: "op", reason: null, graceMs: 0 }]);
  expect(await server().command("HLEN", "lease:{left}")).toBe(2);
  expect(await backend.sweep({ historyRetentionMs: 0 })).toMatchObject({ pruned: 8 });
  await backend.close();
  expect(await server().command("KEYS", "*")).toEqual(["lease:{left}"]);
  expect(await server().command("HKEYS", "lease:{left}")).toEqual(["n"]);
});

/** Connections of this process to the server. */
function sockets(): number {
  const handles = (
    process as unknown as { _getActiveHandles(): { remotePort?: number }[] }
  )._getActiveHandles();
  return handles.filter(({ remotePort }) => remotePort === server().port).length;
}
