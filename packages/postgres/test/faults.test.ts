/** What the server, its operator and the way to it can do, each with the real server. */
import { randomUUID } from "node:crypto";
import type { Lease, LeaseBackend } from "@lease/core";
import type { AcquireRequest } from "@lease/core/backend";
import { startPostgres } from "@lease/test-servers";
import { acquireRequest as request } from "@lease/testing";
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { schemaSql } from "../src/index.js";
import { open, useServer } from "./helpers.js";

const server = useServer();

/** One statement on a connection of its own. */
async function sql(url: string, text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, options: "-c default_transaction_read_only=off" });
  await client.connect();
  try {
    return (await client.query(text, values)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

async function hold(
  backend: LeaseBackend,
  resource: string,
  over: Partial<AcquireRequest> = {},
): Promise<Lease> {
  const result = await backend.acquire(request(resource, over));
  if (result.status !== "granted") return expect.fail(`not granted: ${result.status}`);
  return result.lease;
}

async function queue(backend: LeaseBackend, resource: string): Promise<Lease> {
  const result = await backend.acquire(request(resource, { wait: "queue", agentId: "waiter" }));
  if (result.status !== "refused" || result.lease === null)
    return expect.fail(`not queued: ${result.status}`);
  return result.lease;
}

const release = (backend: LeaseBackend, { id, agentId, token }: Lease) =>
  backend.release([{ kind: "release", id, agentId, token }]);

/** Ends all connections of our backends, as an operator does. */
const terminate = (url: string) =>
  sql(
    url,
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
  );

describe("connections that end", () => {
  test("between two calls: the next call connects again", async () => {
    const own = await startPostgres();
    onTestFinished(() => own.stop());
    const backend = open({ url: own.url });
    const lease = await hold(backend, "r");
    await terminate(own.url);
    await expect
      .poll(async () => {
        const outcome = await backend
          .renew([{ id: lease.id, agentId: lease.agentId, token: lease.token }])
          .catch((error) => error);
        return Array.isArray(outcome) ? outcome[0].status : outcome.code;
      })
      .toBe("renewed");
  });

  test("a step that waits for the lock when its connection ends is not known to be done, and asked again by id", async () => {
    const namespace = randomUUID();
    const backend = open({ url: server().url, namespace });
    await hold(backend, "other");
    const blocker = new pg.Client({ connectionString: server().url });
    await blocker.connect();
    onTestFinished(() => blocker.end());
    await blocker.query("BEGIN");
    await blocker.query("SELECT * FROM lease.namespace WHERE name = $1 FOR UPDATE", [namespace]);
    const asked = request("r");
    const outcome = backend.acquire(asked).catch((error) => error.code);
    const waiting =
      "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%step_v1%'";
    await expect.poll(async () => (await sql(server().url, waiting)).length).toBe(1);
    await sql(server().url, `SELECT pg_terminate_backend(pid) FROM (${waiting}) AS stuck`);
    expect(await outcome).toBe("OUTCOME_UNKNOWN");
    await blocker.query("ROLLBACK");
    const again = await backend.acquire(asked);
    expect(again.status).toBe("granted");
  });

  test("while a request waits: it is woken by the next connection that listens", async () => {
    const own = await startPostgres();
    onTestFinished(() => own.stop());
    const namespace = randomUUID();
    const [a, b] = [open({ url: own.url, namespace }), open({ url: own.url, namespace })];
    const held = await hold(a, "r");
    const pending = await queue(b, "r");
    const turn = (async () => {
      // A check that is under way may fail with its connection: then the waiter asks again.
      while (
        await b.turn({ id: pending.id, timeoutMs: 600_000 }).then(
          () => false,
          () => true,
        )
      );
    })();
    const listening = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%' OR query = 'SELECT 1'";
    await expect.poll(async () => (await sql(own.url, listening)).length).toBeGreaterThan(0);
    await terminate(own.url);
    // Its notification goes to no connection, or to the new one: both must do.
    await expect
      .poll(() =>
        release(a, held).then(
          ([result]) => result?.status,
          () => "again",
        ),
      )
      .toMatch(/released|not-found/);
    await turn;
    const granted = await b.acquire(request("r", { id: pending.id, agentId: "waiter", wait: "queue" }));
    expect(granted.status).toBe("granted");
  });
});

describe("a server that", () => {
  test("is killed under load: what was answered is there, no token comes twice, an unanswered id is asked again", async () => {
    const own = await startPostgres({ settings: { fsync: "on" } });
    onTestFinished(() => own.stop());
    const namespace = randomUUID();
    const backend = open({ url: own.url, namespace, allowDataLoss: false });
    const granted: Lease[] = [];
    const unknown: AcquireRequest[] = [];
    let stop = false;
    const workers = Array.from({ length: 8 }, async (_, worker) => {
      for (let turn = 0; !stop; turn += 1) {
        const asked = request(`r/${worker}/${turn}`);
        try {
          const result = await backend.acquire(asked);
          if (result.status === "granted") granted.push(result.lease);
        } catch {
          unknown.push(asked);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    });
    await expect.poll(() => granted.length).toBeGreaterThan(50);
    await own.kill();
    await expect.poll(() => unknown.length).toBeGreaterThan(0);
    const before = granted.length;
    await own.restart();
    await expect.poll(() => granted.length).toBeGreaterThan(before + 50);
    stop = true;
    await Promise.all(workers);
    for (const asked of unknown.slice(0, 20)) {
      const result = await backend.acquire(asked);
      expect(result.status).toBe("granted");
      if (result.status === "granted") granted.push(result.lease);
    }
    const tokens = granted.map(({ token }) => token);
    expect(new Set(tokens).size).toBe(tokens.length);
    const live = new Set((await sql(own.url, "SELECT id FROM lease.live")).map(({ id }) => id));
    expect(granted.filter(({ id }) => !live.has(id))).toEqual([]);
  });

  test("hangs: the call ends within its bound, not known to be done, and the same id is asked again", async () => {
    const own = await startPostgres();
    onTestFinished(() => own.stop());
    const backend = open({ url: own.url, callTimeoutMs: 1_000 });
    await hold(backend, "other");
    const pids = (
      await sql(
        own.url,
        "SELECT pid FROM pg_stat_activity WHERE query LIKE '%step_v1%' AND pid <> pg_backend_pid()",
      )
    ).map(({ pid }) => pid as number);
    expect(pids.length).toBeGreaterThan(0);
    for (const pid of pids) process.kill(pid, "SIGSTOP");
    const asked = request("r");
    await expect(backend.acquire(asked)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    for (const pid of pids) process.kill(pid, "SIGCONT");
    // It may still carry it out: then this is a repeat of the same grant.
    const again = await backend.acquire(asked);
    expect(again.status).toBe("granted");
    expect((await backend.list({})).leases.filter(({ id }) => id === asked.id)).toHaveLength(1);
  });

  test("is away: nothing was sent", async () => {
    const own = await startPostgres();
    await own.stop();
    const backend = open({ url: own.url, callTimeoutMs: 500 });
    await expect(backend.acquire(request("r"))).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  });

  test("becomes read-only: nothing is done, until it takes writes again", async () => {
    const own = await startPostgres();
    onTestFinished(() => own.stop());
    const backend = open({ url: own.url });
    await hold(backend, "r");
    await sql(own.url, "ALTER SYSTEM SET default_transaction_read_only = on");
    await sql(own.url, "SELECT pg_reload_conf()");
    await expect
      .poll(() =>
        hold(backend, randomUUID()).then(
          () => "granted",
          (error) => error.code,
        ),
      )
      .toBe("BACKEND_UNAVAILABLE");
    await sql(own.url, "ALTER SYSTEM RESET default_transaction_read_only");
    await sql(own.url, "SELECT pg_reload_conf()");
    await expect
      .poll(() =>
        hold(backend, randomUUID()).then(
          () => "granted",
          (error) => error.code,
        ),
      )
      .toBe("granted");
  });

  for (const isolation of ["repeatable read", "serializable"]) {
    test(`has the default isolation ${isolation}: one holder at a time, and no call fails for it`, async () => {
      const own = await startPostgres({ settings: { default_transaction_isolation: isolation } });
      onTestFinished(() => own.stop());
      const namespace = randomUUID();
      const backends = Array.from({ length: 4 }, () => open({ url: own.url, namespace }));
      for (let round = 0; round < 25; round += 1) {
        const results = await Promise.all(backends.map((backend) => backend.acquire(request("r"))));
        const holders = results.flatMap((result) => (result.status === "granted" ? [result.lease] : []));
        expect(holders).toHaveLength(1);
        await release(backends[round % 4] as LeaseBackend, holders[0] as Lease);
      }
    });
  }

  test("has idle transactions elsewhere: events are seen at once", async () => {
    const idle = new pg.Client({ connectionString: server().url });
    await idle.connect();
    onTestFinished(() => idle.end());
    await idle.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
    await idle.query("SELECT txid_current()");
    const backend = open({ url: server().url });
    const stop = new AbortController();
    const seen: string[] = [];
    const following = (async () => {
      for await (const event of backend.changes({ follow: true, signal: stop.signal })) seen.push(event.type);
    })();
    const lease = await hold(backend, "r");
    await release(backend, lease);
    await expect.poll(() => seen).toEqual(["acquired", "released"]);
    stop.abort();
    await following;
  });

  test("loses commits at a crash is refused, unless told", async () => {
    const own = await startPostgres({ settings: { fsync: "on", synchronous_commit: "off" } });
    onTestFinished(() => own.stop());
    const refused = open({ url: own.url, allowDataLoss: false });
    await expect(refused.acquire(request("r"))).rejects.toMatchObject({
      code: "BACKEND_INCOMPATIBLE",
      message: expect.stringContaining("synchronous_commit is off"),
    });
    await hold(open({ url: own.url, allowDataLoss: true }), "r");
  });
});

describe("a database", () => {
  test("whose tables are another's to make is used once they are there, and says so before", async () => {
    const own = await startPostgres();
    onTestFinished(() => own.stop());
    const backend = open({ url: own.url, migrate: false });
    await expect(backend.acquire(request("r"))).rejects.toMatchObject({
      code: "BACKEND_INCOMPATIBLE",
      message: expect.stringContaining("schemaSql()"),
    });
    await sql(own.url, schemaSql());
    await hold(backend, "r");
  });

  test("keeps leases of two schemas apart", async () => {
    const namespace = randomUUID();
    await hold(open({ url: server().url, namespace }), "r");
    await hold(open({ url: server().url, namespace, schema: "lease_other" }), "r");
  });

  test("that a newer release migrated is refused", async () => {
    const own = await startPostgres();
    onTestFinished(() => own.stop());
    await hold(open({ url: own.url }), "r");
    await sql(own.url, "UPDATE lease.version SET version = 99");
    await expect(open({ url: own.url }).acquire(request("r"))).rejects.toMatchObject({
      code: "BACKEND_INCOMPATIBLE",
    });
  });

  test("that many processes open at once is migrated once", async () => {
    const own = await startPostgres();
    onTestFinished(() => own.stop());
    const namespace = randomUUID();
    const backends = Array.from({ length: 8 }, () => open({ url: own.url, namespace }));
    const results = await Promise.all(backends.map((backend) => backend.acquire(request("r"))));
    expect(results.filter(({ status }) => status === "granted")).toHaveLength(1);
  });

  test("in which the user has no rights says which are missing", async () => {
    const own = await startPostgres();
    onTestFinished(() => own.stop());
    await hold(open({ url: own.url }), "r");
    await sql(own.url, "CREATE ROLE stranger LOGIN");
    const url = own.url.replace("lease@", "stranger@");
    await expect(open({ url }).acquire(request("r"))).rejects.toMatchObject({
      code: "BACKEND_INCOMPATIBLE",
      message: expect.stringContaining("permission"),
    });
  });

  test("that was restored to an older state refuses cursors from later", async () => {
    const own = await startPostgres();
    onTestFinished(() => own.stop());
    const backend = open({ url: own.url });
    await hold(backend, "a");
    await sql(own.url, "CREATE TABLE saved AS SELECT * FROM lease.namespace");
    await hold(backend, "b");
    const { cursor } = await backend.list({});
    await sql(own.url, "DELETE FROM lease.history WHERE sequence > (SELECT last FROM saved)");
    await sql(own.url, "UPDATE lease.namespace n SET last = s.last FROM saved s WHERE n.id = s.id");
    const read = async () => {
      for await (const _ of backend.changes({ after: cursor }));
    };
    await expect(read()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
    // Also when it grew on past the cursor.
    await hold(backend, "c");
    await expect(read()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
  });
});

describe("ways to it", () => {
  test("a caller's pool is used and stays open", async () => {
    const pool = new pg.Pool({ connectionString: server().url, max: 2 });
    onTestFinished(() => pool.end());
    const backend = open({ pool });
    const lease = await hold(backend, "r");
    await release(backend, lease);
    await backend.close();
    expect((await pool.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  });

  test("without a connection that listens, waiters and followers look for themselves", async () => {
    const namespace = randomUUID();
    const options = { url: server().url, namespace, listenUrl: "poll" };
    const [a, b] = [open(options), open(options)];
    const held = await hold(a, "r");
    const pending = await queue(b, "r");
    const turn = b.turn({ id: pending.id, timeoutMs: 600_000 });
    const stop = new AbortController();
    const seen: string[] = [];
    const following = (async () => {
      for await (const event of b.changes({ follow: true, signal: stop.signal })) seen.push(event.type);
    })();
    await release(a, held);
    await turn;
    await expect.poll(() => seen).toEqual(["acquired", "queued", "released"]);
    stop.abort();
    await following;
  });

  test("of several hosts, the first that takes writes is used", async () => {
    const gone = await startPostgres();
    await gone.stop();
    const url = server().url.replace("127.0.0.1", `127.0.0.1:${gone.port},127.0.0.1`);
    await hold(open({ url }), "r");
  });
});

describe("bad options", () => {
  const cases: [string, Record<string, unknown>, string][] = [
    ["no address", {}, "url"],
    ["another scheme", { url: "mysql://localhost/db" }, "url"],
    ["no database", { url: "postgres://localhost/" }, "url"],
    ["a query", { url: "postgres://localhost/db?sslmode=require" }, "url"],
    ["a password that is not encoded", { url: "postgres://u:p@ss%@localhost/db" }, "url"],
    ["a port that is none", { url: "postgres://localhost:99999/db" }, "url"],
    ["both", { url: "postgres://localhost/db", pool: {} }, "pool"],
    ["no pool", { pool: {} }, "pool"],
    ["an empty namespace", { url: "postgres://localhost/db", namespace: "" }, "namespace"],
    ["a schema that needs quotes", { url: "postgres://localhost/db", schema: "My Schema" }, "schema"],
    ["a bound of nothing", { url: "postgres://localhost/db", callTimeoutMs: 0 }, "callTimeoutMs"],
    [
      "an address to listen that is none",
      { url: "postgres://localhost/db", listenUrl: "somewhere" },
      "listenUrl",
    ],
  ];
  for (const [name, options, field] of cases) {
    test(name, () => {
      try {
        open(options);
      } catch (error) {
        expect(error).toMatchObject({ code: "INVALID_ARGUMENT", details: { field } });
        // A URL may carry a password.
        expect(String(error)).not.toContain("p@ss");
        return;
      }
      expect.fail("it was taken");
    });
  }
});
