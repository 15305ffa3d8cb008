/** What the server, and what lies between, can do to a call: whether it was surely not done, perhaps done, or cannot be. */
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer, connect as tcp } from "node:net";
import { createLeaseManager, type LeaseBackend, memoryBackend } from "@lease/core";
import { acquireRequest as request } from "@lease/testing";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { cleanUp, newFolder, startChild } from "../../../apps/server/test/child.js";
import { startServer, type TestServer } from "../../../apps/server/test/server.js";
import { type HttpBackendOptions, httpBackend } from "../src/index.js";

afterEach(() => cleanUp());

const LIMITS = { ...memoryBackend().limits };
const CONTRACT = {
  contract: 1,
  kind: "memory",
  limits: LIMITS,
  requests: 64,
  bodyBytes: 1_048_576,
  turnsMs: 60_000,
};

async function real(options: Parameters<typeof startServer>[0] = {}): Promise<TestServer> {
  const server = await startServer(options);
  onTestFinished(() => server.close());
  return server;
}

async function open(options: HttpBackendOptions): Promise<LeaseBackend> {
  const backend = await httpBackend(options);
  onTestFinished(() => backend.close());
  return backend;
}

/** A server that is none of ours but for its limits, so that it can answer what ours never does. */
async function strange(answer: RequestListener, contract: object = CONTRACT): Promise<string> {
  const server: Server = createServer((incoming, outgoing) => {
    if (incoming.url !== "/v1/limits") return answer(incoming, outgoing);
    outgoing.setHeader("content-type", "application/json").end(JSON.stringify(contract));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => "answered",
    (error) => error.code,
  );

describe("a call that", () => {
  test("reaches no server was not sent", async () => {
    const server = await startServer();
    await server.close();
    expect(await codeOf(httpBackend({ url: server.url }))).toBe("BACKEND_UNAVAILABLE");
  });

  const answers: [string, RequestListener, string][] = [
    ["is reset", (_, outgoing) => void outgoing.destroy(), "OUTCOME_UNKNOWN"],
    [
      "is cut short",
      (_, outgoing) =>
        void outgoing
          .writeHead(200, { "content-type": "application/json", "content-length": "99" })
          .write("{", () => outgoing.destroy()),
      "OUTCOME_UNKNOWN",
    ],
    [
      "is answered by no JSON",
      (_, outgoing) => void outgoing.writeHead(200, { "content-type": "text/html" }).end("<p>"),
      "OUTCOME_UNKNOWN",
    ],
    [
      "is answered by a proxy's 502",
      (_, outgoing) => void outgoing.writeHead(502).end("bad gateway"),
      "OUTCOME_UNKNOWN",
    ],
    [
      "is redirected",
      (_, outgoing) => void outgoing.writeHead(307, { location: "http://127.0.0.1:1/" }).end(),
      "BACKEND_INCOMPATIBLE",
    ],
    ["finds no such route", (_, outgoing) => void outgoing.writeHead(404).end(), "BACKEND_INCOMPATIBLE"],
    ["is never answered", () => {}, "OUTCOME_UNKNOWN"],
  ];
  test.each(answers)("%s", async (_, answer, code) => {
    const backend = await open({ url: await strange(answer), callTimeoutMs: 1_000 });
    expect(await codeOf(backend.acquire(request("r")))).toBe(code);
  });

  test("comes to a server that drains is surely not done", async () => {
    const server = await real();
    const backend = await open({ url: server.url });
    server.app.drain();
    expect(await codeOf(backend.acquire(request("r")))).toBe("BACKEND_UNAVAILABLE");
  });

  test("is made without the server's token is refused at once", async () => {
    const server = await real({ token: "a-token-of-some-length" });
    expect(await codeOf(httpBackend({ url: server.url }))).toBe("BACKEND_INCOMPATIBLE");
    const backend = await open({ url: server.url, token: "a-token-of-some-length" });
    expect((await backend.acquire(request("r"))).status).toBe("granted");
  });

  test("is made after close() is refused", async () => {
    const server = await real();
    const backend = await httpBackend({ url: server.url });
    await backend.close();
    expect(await codeOf(backend.acquire(request("r")))).toBe("CLOSED");
  });
});

test("one bad request of a tick takes no other along", async () => {
  const server = await real();
  const backend = await open({ url: server.url });
  const held = await backend.acquire(request("taken"));
  if (held.status !== "granted") return expect.fail();
  const outcomes = await Promise.all([
    codeOf(backend.acquire(request("a"))),
    codeOf(backend.acquire(request("b", { id: held.lease.id, agentId: "thief" }))),
    codeOf(backend.acquire(request("c"))),
  ]);
  expect(outcomes).toEqual(["answered", "LEASE_NOT_OWNER", "answered"]);
});

test("a server that comes back with another store is refused", async () => {
  let limits: object = LIMITS;
  const url = await strange(() => {}, {
    ...CONTRACT,
    get limits() {
      return limits;
    },
  });
  const backend = await open({ url, callTimeoutMs: 500 });
  expect(await codeOf(backend.acquire(request("r")))).toBe("OUTCOME_UNKNOWN");
  limits = { ...LIMITS, minTtlMs: 2_000 };
  expect(await codeOf(backend.acquire(request("r")))).toBe("BACKEND_INCOMPATIBLE");
});

test("a server that speaks another version of the contract is refused", async () => {
  const url = await strange(() => {}, { ...CONTRACT, contract: 2 });
  expect(await codeOf(httpBackend({ url }))).toBe("BACKEND_INCOMPATIBLE");
});

test("two hundred waiters take at most four sockets", async () => {
  const server = await real();
  const sockets = new Set<unknown>();
  let most = 0;
  // Counted on the way, since the server's own connections end when they like.
  const proxy = createTcpServer((socket) => {
    sockets.add(socket);
    most = Math.max(most, sockets.size);
    const onward = tcp(server.port, "127.0.0.1");
    socket.pipe(onward).pipe(socket);
    for (const end of [socket, onward]) {
      end.on("error", () => {});
      end.on("close", () => {
        sockets.delete(socket);
        socket.destroy();
        onward.destroy();
      });
    }
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  onTestFinished(() => void proxy.close());
  const backend = await open({
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    callTimeoutMs: 60_000,
  });
  const leases = createLeaseManager({ backend, agentId: "a" });
  const held = await leases.acquire("r");
  const waiting = Array.from({ length: 200 }, () =>
    leases.withLease("r", { waitMs: 200_000 }, async () => 1),
  );
  await expect
    .poll(async () => (await server.backend.list({ state: "pending", limit: 1000 })).leases.length)
    .toBe(200);
  await held.release();
  expect((await Promise.all(waiting)).length).toBe(200);
  await leases.close();
  // Four requests under way at most, and the one long poll.
  expect(most).toBeLessThanOrEqual(5);
});

test("killed in the middle of a thousand acquires: each id asked again is granted once or not at all", async () => {
  const cwd = newFolder();
  const first = startChild({}, { cwd });
  const url = await first.url();
  const { port } = new URL(url);
  const backend = await open({ url, callTimeoutMs: 60_000 });
  const asked = Array.from({ length: 1_000 }, (_, index) => request(`r/${index}`));
  let answered = 0;
  const outcomes = asked.map((each) =>
    backend.acquire(each).then(
      (result) => {
        answered += 1;
        if (answered === 200) first.process.kill("SIGKILL");
        return result.status === "granted" ? result.lease.token : null;
      },
      () => null,
    ),
  );
  const tokens = await Promise.all(outcomes);
  expect(tokens).toContain(null);
  await first.exited;
  const second = startChild({ LEASE_PORT: port }, { cwd });
  await second.url();
  const again = await Promise.all(asked.map((each) => backend.acquire(each)));
  for (const [index, result] of again.entries()) {
    if (result.status !== "granted") return expect.fail(`${result.status}`);
    // What was answered is the same grant; what was not is one now.
    if (tokens[index] !== null) expect(result.lease.token).toBe(tokens[index]);
  }
  expect(new Set(again.map((result) => (result.status === "granted" ? result.lease.token : 0))).size).toBe(
    1_000,
  );
});

test("a follower goes on where its stream broke, over a restart of the server", async () => {
  const cwd = newFolder();
  const first = startChild({}, { cwd });
  const url = await first.url();
  const backend = await open({ url, callTimeoutMs: 60_000 });
  const stop = new AbortController();
  const seen: string[] = [];
  const following = (async () => {
    for await (const { type } of backend.changes({ follow: true, signal: stop.signal })) seen.push(type);
  })();
  const held = await backend.acquire(request("r"));
  if (held.status !== "granted") return expect.fail();
  await expect.poll(() => seen).toEqual(["acquired"]);
  first.process.kill("SIGKILL");
  await first.exited;
  await startChild({ LEASE_PORT: new URL(url).port }, { cwd }).url();
  const { id, agentId, token } = held.lease;
  await expect
    .poll(() => codeOf(backend.release([{ kind: "release", id, agentId, token }])))
    .toBe("answered");
  await expect.poll(() => seen).toEqual(["acquired", "released"]);
  stop.abort();
  await following;
});

describe("bad options", () => {
  const cases: [string, object, string][] = [
    ["no URL", {}, "url"],
    ["another scheme", { url: "ftp://host" }, "url"],
    ["a password", { url: "https://user:secret@host" }, "url"],
    ["a path", { url: "https://host/leases" }, "url"],
    ["a token over plain HTTP to another host", { url: "http://example.com", token: "secret" }, "url"],
    ["a token that no header carries", { url: "https://host", token: "sec ret" }, "token"],
    ["a bound of nothing", { url: "http://127.0.0.1:1", callTimeoutMs: 0 }, "callTimeoutMs"],
  ];
  test.each(cases)("%s", async (_, options, field) => {
    const error = await httpBackend(options as HttpBackendOptions).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", details: { field } });
    expect(String(error)).not.toContain("secret@");
  });
});
