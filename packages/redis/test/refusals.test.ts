/** What is not a Redis to keep leases in is refused, with the reason and the way out. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startRedis } from "@lease/test-servers";
import { Redis } from "ioredis";
import { expect, test } from "vitest";
import { again, closing, hold, NEVER_MS, open, queue, release, request, useServer } from "./helpers.js";

const server = useServer();

test("an allkeys eviction policy is refused until it is changed, or accepted in so many words", async () => {
  await server().command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
  const backend = open({ url: server().url });
  await expect(backend.acquire(request("r"))).rejects.toMatchObject({
    code: "BACKEND_INCOMPATIBLE",
    message: expect.stringContaining("allkeys-lru"),
  });
  await expect(backend.list({})).rejects.toMatchObject({ code: "BACKEND_INCOMPATIBLE" });
  await hold(open({ url: server().url, allowEviction: true }), "r");
  await server().command("CONFIG", "SET", "maxmemory-policy", "volatile-lru");
  // Corrected while it runs. No key of ours has an expiry, so volatile policies pass them by.
  await hold(backend, "r");
  for (const key of (await server().command("KEYS", "*")) as string[]) {
    expect(await server().command("TTL", key)).toBe(-1);
  }
  await server().command("CONFIG", "SET", "maxmemory-policy", "noeviction");
});

test("a read-only replica: BACKEND_UNAVAILABLE, and it works once the server is a master", async () => {
  const replica = await startRedis();
  closing({ close: () => replica.stop() });
  const backend = open({ url: replica.url, callTimeoutMs: 1_000 });
  const held = await hold(backend, "r");
  await replica.command("REPLICAOF", server().host, server().port);
  await expect
    .poll(() =>
      backend.acquire(request("s")).then(
        () => "granted",
        (error: { code: string }) => error.code,
      ),
    )
    .toBe("BACKEND_UNAVAILABLE");
  await replica.command("REPLICAOF", "NO", "ONE");
  const after = await hold(backend, "t", { agentId: "bob" });
  expect(after.token).toBeGreaterThan(held.token);
});

test("a wrong password is said at once, without repeating it", async () => {
  await server().command("ACL", "SETUSER", "app", "on", ">right", "~*", "&*", "+@all");
  const { port } = server();
  const error = await open({ url: `redis://app:tr0ub4dor@127.0.0.1:${port}`, callTimeoutMs: NEVER_MS })
    .list({})
    .catch((thrown: unknown) => thrown as Error);
  expect(error).toMatchObject({ code: "BACKEND_INCOMPATIBLE" });
  expect(JSON.stringify(error, allProperties)).not.toContain("tr0ub4dor");
  expect((await open({ url: `redis://app:right@127.0.0.1:${port}` }).list({})).leases).toEqual([]);
});

test("no password where one is wanted is said, too", async () => {
  const locked = await startRedis();
  closing({ close: () => locked.stop() });
  await locked.command("ACL", "SETUSER", "operator", "on", ">pw", "~*", "&*", "+@all");
  await locked.command("ACL", "SETUSER", "default", "resetpass", ">secret");
  const backend = open({ url: locked.url });
  await expect(hold(backend, "r")).rejects.toMatchObject({
    code: "BACKEND_INCOMPATIBLE",
    message: expect.stringContaining("wants a password"),
  });
  const operator = open({ url: locked.url.replace("//", "//operator:pw@") });
  await hold(operator, "r");
});

test("a permission that is taken away in the middle is named; given back, all goes on", async () => {
  await server().command("ACL", "SETUSER", "worker", "on", ">pw", "~*", "&*", "+@all");
  const backend = open({ url: server().url.replace("//", "//worker:pw@") });
  const held = await hold(backend, "r");
  await server().command("ACL", "SETUSER", "worker", "-xadd");
  await expect(backend.renew([held])).rejects.toMatchObject({
    code: "BACKEND_INCOMPATIBLE",
    message: expect.stringMatching(/in part.*README/),
  });
  await server().command("ACL", "SETUSER", "worker", "-evalsha");
  await expect(backend.list({})).rejects.toMatchObject({ code: "BACKEND_INCOMPATIBLE" });
  await server().command("ACL", "SETUSER", "worker", "+@all");
  expect(await backend.renew([held])).toMatchObject([{ status: "renewed" }]);
  // A user that is deleted is thrown out; one of that name that comes back is let in.
  await server().command("ACL", "DELUSER", "worker");
  await expect
    .poll(() => backend.list({}).catch(({ code }: { code: string }) => code))
    .toBe("BACKEND_INCOMPATIBLE");
  await server().command("ACL", "SETUSER", "worker", "on", ">pw", "~*", "&*", "+@all");
  await expect.poll(() => backend.renew([held]).catch(() => [])).toMatchObject([{ status: "renewed" }]);
});

test.each(["EVALSHA", "XADD"])(
  "a server without %s is refused, saying that it lacks a command",
  async (command) => {
    const bare = await startRedis({ args: ["--rename-command", command, ""] });
    closing({ close: () => bare.stop() });
    await expect(hold(open({ url: bare.url }), "r")).rejects.toMatchObject({
      code: "BACKEND_INCOMPATIBLE",
      message: expect.stringContaining("does not know a command"),
    });
  },
);

test("a master that may not write (too few replicas, no way to save): BACKEND_UNAVAILABLE, nothing done, and it passes", async () => {
  const unsafe = await startRedis();
  closing({ close: () => unsafe.stop() });
  const backend = open({ url: unsafe.url });
  const held = await hold(backend, "r");

  await unsafe.command("CONFIG", "SET", "min-replicas-to-write", "1");
  await refusesWrites("replicas");
  await unsafe.command("CONFIG", "SET", "min-replicas-to-write", "0");
  expect(await backend.renew([held])).toMatchObject([{ status: "renewed", lease: { renewals: 1 } }]);

  // A folder that is not empty lies where its dump should.
  mkdirSync(join(unsafe.folder, "dump.rdb", "in the way"), { recursive: true });
  await unsafe.command("CONFIG", "SET", "save", "3600 1");
  await unsafe.command("BGSAVE");
  await expect
    .poll(async () => String(await unsafe.command("INFO", "persistence")))
    .toContain("rdb_last_bgsave_status:err");
  await refusesWrites("cannot save");
  await unsafe.command("CONFIG", "SET", "stop-writes-on-bgsave-error", "no");
  expect(await backend.renew([held])).toMatchObject([{ status: "renewed", lease: { renewals: 2 } }]);

  async function refusesWrites(why: string): Promise<void> {
    const refusal = { code: "BACKEND_UNAVAILABLE", message: expect.stringContaining(why) };
    await expect(backend.acquire(request("s"))).rejects.toMatchObject(refusal);
    await expect(backend.renew([held])).rejects.toMatchObject(refusal);
    expect((await backend.list({})).leases.map(({ id }) => id)).toEqual([held.id]);
  }
});

test("the ACL of the README is enough", async () => {
  const { port } = server();
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const acl = /```\n(ACL SETUSER [^`]*)```/.exec(readme)?.[1] ?? "";
  await server().command(...acl.replace(">password", ">pw").trim().split(/\s+/));
  const backend = open({ url: `redis://lease:pw@127.0.0.1:${port}` });
  const held = await hold(backend, "src/**");
  const abort = new AbortController();
  const told: string[] = [];
  const following = (async () => {
    for await (const { type } of backend.changes({ follow: true, signal: abort.signal })) told.push(type);
  })();
  await backend.renew([held]);
  await expect.poll(() => told).toEqual(["acquired", "renewed"]);
  abort.abort();
  await following;
  expect((await backend.list({ resource: "src/a" })).leases).toHaveLength(1);
  expect(await backend.sweep({ historyRetentionMs: 0 })).toEqual({ expired: [], pruned: 2, more: false });
});

test("without permission to publish, a release is done, and is said to be", async () => {
  const rules = "on >pw ~* resetchannels +@all";
  await server().command("ACL", "SETUSER", "quiet", "reset", ...rules.split(" "));
  const backend = open({ url: server().url.replace("//", "//quiet:pw@"), namespace: "quiet" });
  const held = await hold(backend, "r");
  const waiting = await queue(open({ url: server().url, namespace: "quiet" }), "r", { agentId: "bob" });
  expect(await release(backend, held)).toBe("released");
  expect(await backend.acquire(again(waiting))).toMatchObject({ status: "granted" });
});

test.each(["pa/ss", "pa#ss", "pa?ss", "12#34", "12/34", "12?34"])(
  "an unencoded special character in a URL's password is pointed out: %s",
  (password) => {
    const opening = () => open({ url: `redis://app:${password}@127.0.0.1:6379` });
    expect(opening).toThrow(/percent-encode special characters of user and password/);
    expect(opening).not.toThrow(password);
  },
);

test("a client that selected another database is copied to that one", async () => {
  const pattern = new Redis(server().url);
  closing({ close: async () => pattern.disconnect() });
  await pattern.select(7);
  await hold(open({ client: pattern, namespace: "seventh" }), "r");
  expect(await pattern.exists("lease:{seventh}")).toBe(1);
});

test("through a unix socket", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lease-socket-"));
  const path = join(folder, "redis.sock");
  const local = await startRedis({ args: ["--unixsocket", path] });
  closing({
    close: async () => {
      await local.stop();
      rmSync(folder, { recursive: true });
    },
  });
  await hold(open({ client: new Redis({ path, lazyConnect: true }) }), "r");
});

test("what somebody else wrote under our key is not overwritten", async () => {
  await server().command("SET", "lease:{taken}", "mine");
  const backend = open({ url: server().url, namespace: "taken" });
  await expect(backend.acquire(request("r"))).rejects.toMatchObject({ code: "BACKEND_CORRUPT" });
  expect(await server().command("GET", "lease:{taken}")).toBe("mine");
});

test("a namespace of a newer version is refused, and not touched", async () => {
  await server().command("HSET", "lease:{newer}", "n", "3 something else");
  const backend = open({ url: server().url, namespace: "newer" });
  await expect(backend.acquire(request("r"))).rejects.toMatchObject({ code: "BACKEND_INCOMPATIBLE" });
  expect(await server().command("HGETALL", "lease:{newer}")).toEqual(["n", "3 something else"]);
});

test.each([
  [{ url: "redis://h", client: {} }, "client"],
  [{ client: {} }, "client"],
  [{}, "url"],
  [{ url: "http://h" }, "url"],
  [{ url: "redis://h/leases" }, "url"],
  [{ url: "redis://h?db=1" }, "url"],
  [{ url: "redis://h", namespace: "" }, "namespace"],
  [{ url: "redis://h", namespace: "\uD800" }, "namespace"],
  [{ url: "redis://h", namespace: "x".repeat(129) }, "namespace"],
  [{ url: "redis://h", callTimeoutMs: 0 }, "callTimeoutMs"],
  [{ url: "redis://h", endMemoryMs: 1.5 }, "endMemoryMs"],
])("the options %j are refused, naming %s", (options, field) => {
  expect(() => open({ namespace: "n", ...options } as never)).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENT", details: { field } }),
  );
});

/** Errors hide most of what they carry from JSON. */
function allProperties(_key: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  return Object.fromEntries(
    Object.getOwnPropertyNames(value).map((name) => [name, value[name as keyof Error]]),
  );
}
