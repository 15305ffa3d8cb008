/** A server that is killed and comes back: empty, or with its append-only file. */
import { readdirSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { type RedisServer, startRedis } from "@lease/test-servers";
import { expect, test } from "vitest";
import { closing, hold, open, request } from "./helpers.js";

async function start(appendOnly: boolean) {
  const server = await startRedis({ appendOnly });
  closing({ close: () => server.stop() });
  return server;
}

test("restarted empty: the tokens are higher than before, and old cursors are refused", async () => {
  const server = await start(false);
  const backend = open({ url: server.url });
  const before = await hold(backend, "r");
  const [event] = await history(backend.changes({}));
  await server.restart();

  const after = await hold(backend, "r", { agentId: "bob" });
  expect(after.token).toBeGreaterThan(before.token);
  expect(await backend.renew([before])).toEqual([{ status: "not-found" }]);
  await expect(history(backend.changes({ after: event?.cursor as string }))).rejects.toMatchObject({
    code: "CURSOR_EXPIRED",
  });
});

test("FLUSHALL: the same", async () => {
  const server = await start(false);
  const backend = open({ url: server.url });
  const before = await hold(backend, "r");
  await server.command("FLUSHALL");
  const after = await hold(backend, "r", { agentId: "bob" });
  expect(after.token).toBeGreaterThan(before.token);
});

test("who follows through a FLUSHALL is told that the history is another", async () => {
  const server = await start(false);
  const backend = open({ url: server.url });
  await hold(backend, "r");
  const feed = backend.changes({ follow: true })[Symbol.asyncIterator]();
  expect((await feed.next()).value).toMatchObject({ type: "acquired" });
  const outcome = expect(feed.next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
  await server.command("FLUSHALL");
  await hold(backend, "s");
  await outcome;
});

test("only the hash is lost: what was left of the others does not stand in the way", async () => {
  const server = await start(false);
  const backend = open({ url: server.url, namespace: "torn" });
  const before = await hold(backend, "src/**");
  await server.command("DEL", "lease:{torn}");
  const after = await hold(backend, "src/**", { agentId: "bob" });
  expect(after.token).toBeGreaterThan(before.token);
  expect((await backend.list({})).leases.map(({ id }) => id)).toEqual([after.id]);
});

test("restarted with its append-only file: the lease is still held, by the same token", async () => {
  const server = await start(true);
  const backend = open({ url: server.url });
  const held = await hold(backend, "r");
  await server.restart();
  expect(await backend.acquire(request("r", { agentId: "bob" }))).toMatchObject({
    status: "refused",
    blockers: [{ id: held.id, token: held.token }],
  });
  expect(await backend.renew([held])).toMatchObject([{ status: "renewed" }]);
});

test("killed with appendfsync everysec: what was answered is in the file, which the system keeps", async () => {
  const server = await startRedis({ appendOnly: true, args: ["--appendfsync", "everysec"] });
  closing({ close: () => server.stop() });
  const backend = open({ url: server.url });
  const held = await hold(backend, "r");
  await server.restart();
  expect(await backend.renew([held])).toMatchObject([{ status: "renewed" }]);
});

test("the end of the file is lost (a power cut before it was synced): what it told of is free again, by higher tokens", async () => {
  const server = await start(true);
  const backend = open({ url: server.url });
  const kept = await hold(backend, "kept");
  const before = fileOf(server);
  const lost = await hold(backend, "lost");
  await server.kill();
  // Torn in the middle of what the last call wrote.
  truncateSync(before.path, Math.floor((before.size + fileOf(server).size) / 2));
  await server.restart();

  expect((await backend.list({})).leases.map(({ id }) => id)).toEqual([kept.id]);
  expect(await backend.renew([kept])).toMatchObject([{ status: "renewed", lease: { token: kept.token } }]);
  expect(await backend.renew([lost])).toEqual([{ status: "not-found" }]);
  const after = await hold(backend, "lost", { agentId: "bob" });
  expect(after.token).toBeGreaterThan(lost.token);
});

test("a renewal under way through a restart is answered or fails with a code, and the next one works", async () => {
  const server = await start(true);
  const backend = open({ url: server.url });
  const held = await hold(backend, "r");
  const killing = server.kill();
  const results = await Promise.allSettled([
    backend.renew([held]),
    backend.list({}),
    killing.then(() => server.restart()),
  ]);
  for (const result of results) {
    if (result.status === "rejected") {
      expect(result.reason).toMatchObject({
        code: expect.stringMatching(/^(OUTCOME_UNKNOWN|BACKEND_UNAVAILABLE)$/),
      });
    }
  }
  expect(await backend.renew([held])).toMatchObject([{ status: "renewed" }]);
});

/** The append-only file that is written at present. */
function fileOf({ folder }: RedisServer): { readonly path: string; readonly size: number } {
  const files = readdirSync(join(folder, "appendonlydir"));
  const path = join(folder, "appendonlydir", files.find((name) => name.includes(".incr.")) as string);
  return { path, size: statSync(path).size };
}

async function history<T>(events: AsyncIterable<T>): Promise<T[]> {
  const told: T[] = [];
  for await (const event of events) told.push(event);
  return told;
}
