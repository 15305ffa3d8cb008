import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LeaseBackend, LeaseError, memoryBackend } from "@lease/core";
import { sqliteBackend } from "@lease/sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { newId, startServer, type TestServer, until } from "./server.js";

let server: TestServer;
/** Acquires that reached the backend. */
let asked: number;

beforeEach(async () => {
  asked = 0;
  const backend = memoryBackend();
  const acquire: LeaseBackend["acquire"] = (request) => {
    asked += 1;
    return backend.acquire(request);
  };
  server = await startServer({ backend: { ...backend, acquire } });
});

afterEach(() => server.close());

const holder = newId();
/** For longer than any test takes. */
const LONG_MS = 300_000;
const hold = () =>
  server.ask("PUT", `/v1/leases/${holder}`, { agentId: "holder", resources: ["r"], ttlMs: LONG_MS });
const letGo = () => server.ask("DELETE", `/v1/leases/${holder}?agentId=holder`);
const waiter = (agentId: string, waitMs = LONG_MS) => ({
  agentId,
  resources: ["r"],
  waitMs,
  waitTtlMs: LONG_MS,
});
const inLine = async () =>
  (await server.backend.list({ state: "pending" })).leases.map(({ agentId }) => agentId);
const active = async () =>
  (await server.backend.list({ state: "active" })).leases.map(({ agentId }) => agentId);

test("waitMs: granted as soon as the holder lets go, with all of its time left", async () => {
  await hold();
  const waiting = server.ask("POST", "/v1/leases", { ...waiter("b"), ttlMs: 60_000 });
  await until(async () => (await inLine()).length === 1);
  await letGo();
  const granted = await waiting;
  expect(granted.status).toBe(201);
  expect(granted.body).toMatchObject({ agentId: "b", state: "active" });
  // An answer that is older than a tenth of a second is asked for again.
  expect(granted.body.expiresInMs).toBeGreaterThan(59_000);
});

test("waitMs over: 409 with the blockers, and the line is left", async () => {
  await hold();
  const refused = await server.ask("POST", "/v1/leases", waiter("b", 100));
  expect(refused.body).toMatchObject({ status: 409, code: "LEASE_UNAVAILABLE", position: 2 });
  expect(refused.body.detail).toMatch(/^Not granted after \d+(\.\d+)? m?s in the queue/);
  expect(await inLine()).toEqual([]);
});

test("the line is served in order of arrival", async () => {
  await hold();
  const order: string[] = [];
  const waits: Promise<void>[] = [];
  for (const agentId of ["b", "c", "d"]) {
    const turn = server.ask("POST", "/v1/leases", waiter(agentId)).then(async ({ body }) => {
      order.push(agentId);
      await server.ask("DELETE", `/v1/leases/${body.id}?agentId=${agentId}`);
    });
    waits.push(turn);
    await until(async () => (await inLine()).includes(agentId));
  }
  await letGo();
  await Promise.all(waits);
  expect(order).toEqual(["b", "c", "d"]);
});

describe("hanging up leaves the line", () => {
  test.each(["POST", "PUT"])("%s", async (method) => {
    await hold();
    const hangUp = new AbortController();
    const path = method === "POST" ? "/v1/leases" : `/v1/leases/${newId()}`;
    const waiting = server.ask(method, path, waiter("b"), { signal: hangUp.signal });
    await until(async () => (await inLine()).length === 1);
    hangUp.abort();
    await expect(waiting).rejects.toThrow();
    await until(async () => (await inLine()).length === 0);
    await letGo();
    expect(await active()).toEqual([]);
  });

  test.each(["destroyed", "half-closed"])("a socket that is %s", async (how) => {
    await hold();
    const body = JSON.stringify(waiter("b"));
    const socket = connect(server.port, "127.0.0.1");
    socket.write(
      `POST /v1/leases HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await until(async () => (await inLine()).length === 1);
    if (how === "destroyed") socket.destroy();
    else socket.end();
    await until(async () => (await inLine()).length === 0);
    socket.destroy();
  });

  test("at any moment: nothing is left in line", async () => {
    await hold();
    const calls = Array.from({ length: 300 }, async (_, index) => {
      const signal = AbortSignal.timeout(1 + Math.floor(Math.random() * 200));
      const { status, body } = await server
        .ask("POST", "/v1/leases", waiter(`w${index}`), { signal })
        .catch(() => ({ status: 0, body: null }));
      if (status === 201) await server.ask("DELETE", `/v1/leases/${body.id}?agentId=w${index}`);
    });
    await new Promise((resolve) => setTimeout(resolve, 30));
    await letGo();
    await Promise.all(calls);
    await until(async () => (await inLine()).length === 0);
  });
});

describe("calls of one id", () => {
  test("are answered alike: 201 for the first, 200 for the repeat, each with time counted from its own question", async () => {
    await hold();
    const path = `/v1/leases/${newId()}`;
    const first = server.ask("PUT", path, waiter("b"));
    await until(async () => (await inLine()).length === 1);
    const second = server.ask("PUT", path, waiter("b"));
    await letGo();
    const answers = await Promise.all([first, second]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 201]);
    expect(new Set(answers.map(({ body }) => body.token)).size).toBe(1);
  });

  test.each([0, 1])("one that hangs up (call %i) does not cancel the other", async (leaver) => {
    await hold();
    const path = `/v1/leases/${newId()}`;
    const hangUps = [new AbortController(), new AbortController()];
    const calls = [];
    for (const { signal } of hangUps) {
      const before = asked;
      calls.push(server.ask("PUT", path, waiter("b"), { signal }).catch(() => null));
      await until(() => asked > before);
    }
    const token = (await server.backend.list({ state: "pending" })).leases[0]?.token;
    hangUps[leaver]?.abort();
    await calls[leaver];
    await letGo();
    expect((await calls[1 - leaver])?.body).toMatchObject({ state: "active", token });
  });

  test("one whose patience ends is refused, and the other keeps the place", async () => {
    await hold();
    const path = `/v1/leases/${newId()}`;
    const patient = server.ask("PUT", path, waiter("b"));
    await until(async () => (await inLine()).length === 1);
    const token = (await server.backend.list({ state: "pending" })).leases[0]?.token;
    expect((await server.ask("PUT", path, waiter("b", 50))).status).toBe(409);
    expect((await server.ask("PUT", path, { agentId: "b", resources: ["r"] })).status).toBe(409);
    await letGo();
    expect((await patient).body).toMatchObject({ state: "active", token });
  });

  test("all hang up: the place is left", async () => {
    await hold();
    const path = `/v1/leases/${newId()}`;
    const hangUp = new AbortController();
    const calls = [1, 2, 3].map(() =>
      server.ask("PUT", path, waiter("b"), { signal: hangUp.signal }).catch(() => null),
    );
    await until(() => asked === 4);
    hangUp.abort();
    await Promise.all(calls);
    await until(async () => (await inLine()).length === 0);
  });

  test("who comes back at once finds the place, though the call that was given up is still under way", async () => {
    const backend = memoryBackend();
    let answer = Promise.resolve();
    const acquire: LeaseBackend["acquire"] = async (request) => {
      const result = await backend.acquire(request);
      await answer;
      return result;
    };
    const other = await startServer({ backend: { ...backend, acquire } });
    await other.ask("PUT", `/v1/leases/${holder}`, { agentId: "holder", resources: ["r"] });
    const path = `/v1/leases/${newId()}`;
    const pending = async () => (await backend.list({ state: "pending" })).leases;

    let goOn = () => {};
    answer = new Promise((resolve) => {
      goOn = resolve;
    });
    const hangUp = new AbortController();
    const given = other.ask("PUT", path, waiter("b"), { signal: hangUp.signal }).catch(() => null);
    await until(async () => (await pending()).length === 1);
    const token = (await pending())[0]?.token;
    hangUp.abort();
    await given;
    const back = other.ask("PUT", path, waiter("b"));
    await new Promise((resolve) => setTimeout(resolve, 50));
    goOn();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await pending()).toMatchObject([{ token }]);
    await other.ask("DELETE", `/v1/leases/${holder}?agentId=holder`);
    expect((await back).body).toMatchObject({ state: "active", token });
    await other.close();
  });

  test("who comes back twice while the place is being given back, and gives up in between, may still come", async () => {
    const backend = memoryBackend();
    const releases: (() => void)[] = [];
    const slow: LeaseBackend = {
      ...backend,
      release: async (requests) => {
        await new Promise<void>((resolve) => releases.push(resolve));
        return backend.release(requests);
      },
    };
    const other = await startServer({ backend: slow });
    await other.ask("PUT", `/v1/leases/${holder}`, { agentId: "holder", resources: ["r"] });
    const path = `/v1/leases/${newId()}`;
    const giveUp = async (arrived: () => boolean | Promise<boolean>) => {
      const hangUp = new AbortController();
      const call = other.ask("PUT", path, waiter("b"), { signal: hangUp.signal }).catch(() => null);
      await until(arrived);
      hangUp.abort();
      await call;
    };
    await giveUp(async () => (await backend.list({ state: "pending" })).leases.length === 1);
    await until(() => releases.length === 1);
    const arrivedAt = performance.now();
    await giveUp(() => performance.now() > arrivedAt + 50);
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const goOn of releases) goOn();
    expect((await other.ask("PUT", path, { agentId: "b", resources: ["r"] })).status).toBe(409);
    expect(releases).toHaveLength(1);
    await other.close();
  });

  test("who repeats a call for a lease that is held, and hangs up, does not lose it", async () => {
    const backend = memoryBackend();
    let slow = Promise.resolve();
    const slowed: LeaseBackend = {
      ...backend,
      acquire: async (request) => {
        const result = await backend.acquire(request);
        await slow;
        return result;
      },
    };
    const other = await startServer({ backend: slowed });
    const path = `/v1/leases/${newId()}`;
    expect((await other.ask("PUT", path, waiter("b"))).status).toBe(201);
    let goOn = () => {};
    slow = new Promise((resolve) => {
      goOn = resolve;
    });
    const hangUp = new AbortController();
    const repeat = other.ask("PUT", path, waiter("b"), { signal: hangUp.signal }).catch(() => null);
    await new Promise((resolve) => setTimeout(resolve, 50));
    hangUp.abort();
    await repeat;
    await new Promise((resolve) => setTimeout(resolve, 50));
    goOn();
    await other.ask("GET", "/healthz");
    expect((await backend.list({})).leases).toHaveLength(1);
    await other.close();
  });
});

test("an answer that was long under way is asked for again, so that its time is fresh", async () => {
  const backend = memoryBackend();
  let asks = 0;
  const slow: LeaseBackend = {
    ...backend,
    acquire: async (request) => {
      const result = await backend.acquire(request);
      if (asks++ === 0) await new Promise((resolve) => setTimeout(resolve, 300));
      return result;
    },
  };
  const other = await startServer({ backend: slow });
  const answer = await other.ask("POST", "/v1/leases", { ...waiter("b"), ttlMs: 5_000 });
  expect(answer.status).toBe(201);
  expect(answer.body.expiresInMs).toBeLessThan(4_750);
  await other.close();
});

test.each(["is answered", "fails"])(
  "who hangs up while such an answer is asked for again leaves no lease: the second question %s",
  async (how) => {
    const backend = memoryBackend();
    let asks = 0;
    const slow: LeaseBackend = {
      ...backend,
      acquire: async (request) => {
        asks += 1;
        const again = asks > 1;
        const result = await backend.acquire(request);
        await new Promise((resolve) => setTimeout(resolve, 150));
        if (again && how === "fails") throw new LeaseError("BACKEND_UNAVAILABLE", "down");
        return result;
      },
    };
    const other = await startServer({ backend: slow });
    const hangUp = new AbortController();
    const call = other.ask("POST", "/v1/leases", waiter("b"), { signal: hangUp.signal }).catch(() => null);
    await until(() => asks === 2);
    expect((await backend.list({})).leases).toHaveLength(1);
    hangUp.abort();
    expect(await call).toBeNull();
    await until(async () => (await backend.list({})).leases.length === 0);
    await other.close();
  },
);

test("an answer that cannot be asked for again is passed on: its time is true, if old", async () => {
  const backend = memoryBackend();
  let asks = 0;
  const slow: LeaseBackend = {
    ...backend,
    acquire: async (request) => {
      if (asks++ > 0) throw new LeaseError("BACKEND_UNAVAILABLE", "down");
      const result = await backend.acquire(request);
      await new Promise((resolve) => setTimeout(resolve, 150));
      return result;
    },
  };
  const other = await startServer({ backend: slow });
  expect((await other.ask("POST", "/v1/leases", { agentId: "b", resources: ["r"] })).status).toBe(201);
  await other.close();
});

test("200 waiters on one resource are served one by one, in order", async () => {
  await hold();
  const order: number[] = [];
  const calls = [];
  for (let index = 0; index < 200; index += 1) {
    const call = server.ask("POST", "/v1/leases", waiter(`w${index}`)).then(async ({ body }) => {
      order.push(index);
      await server.ask("DELETE", `/v1/leases/${body.id}?agentId=w${index}`);
    });
    calls.push(call);
    // In line before the next one, so that the order is known.
    await until(async () => (await server.backend.list({ agentId: `w${index}` })).leases.length === 1);
  }
  asked = 0;
  await letGo();
  await Promise.all(calls);
  // One request for each release, and no herd; heartbeats are not due yet. One more where an answer was long under way.
  expect(asked).toBeLessThanOrEqual(2 * 200);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  expect(order).toHaveLength(200);
});

test("who waits at one server is served when somebody lets go at another, over one SQLite file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lease-server-"));
  const path = join(folder, "leases.db");
  const [one, two] = await Promise.all([
    startServer({ backend: sqliteBackend({ path }) }),
    startServer({ backend: sqliteBackend({ path }) }),
  ]);
  await one.ask("PUT", `/v1/leases/${holder}`, { agentId: "holder", resources: ["r"] });
  const waiting = two.ask("POST", "/v1/leases", waiter("b"));
  await until(async () => (await one.ask("GET", "/v1/leases?state=pending")).body.leases.length === 1);
  await one.ask("DELETE", `/v1/leases/${holder}?agentId=holder`);
  expect((await waiting).status).toBe(201);
  await Promise.all([one.close(), two.close()]);
  rmSync(folder, { recursive: true });
});

test("draining: who waits is sent away with 503 and leaves the line; nothing new; holders go on", async () => {
  const held = await hold();
  const waiting = server.ask("POST", "/v1/leases", waiter("b"));
  await until(async () => (await inLine()).length === 1);
  const turn = server.ask(
    "GET",
    `/v1/leases/${(await server.backend.list({ state: "pending" })).leases[0]?.id}/turn`,
  );
  server.app.drain();
  for (const answer of [await waiting, await turn, await server.ask("POST", "/v1/leases", waiter("c"))]) {
    expect(answer.body).toMatchObject({ status: 503, code: "CLOSED" });
    expect(answer.headers.get("retry-after")).toBe("1");
  }
  await until(async () => (await inLine()).length === 0);
  expect((await server.ask("GET", "/readyz")).status).toBe(503);
  expect((await server.ask("GET", "/healthz")).status).toBe(200);
  const renewed = await server.ask("POST", `/v1/leases/${held.body.id}/renew`, { agentId: "holder" });
  expect(renewed.status).toBe(200);
  expect((await letGo()).body).toEqual({ result: "released" });
});
