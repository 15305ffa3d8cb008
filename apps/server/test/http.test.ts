/** What is wrong with a request before it reaches a lease, and who may send one at all. */
import { connect } from "node:net";
import { Writable } from "node:stream";
import { pino } from "pino";
import { afterEach, describe, expect, test } from "vitest";
import { newId, startServer, type TestServer, until } from "./server.js";

let server: TestServer;

afterEach(() => server.close());

const ok = { agentId: "a", resources: ["r"] };

/** Sends raw bytes and gives back all that is answered until the server closes. */
function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(server.port, "127.0.0.1", () => socket.write(text));
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      answer += chunk;
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });
}

describe("problem documents", () => {
  test.each([
    ["GET", "/nothing", 404, "ROUTE_NOT_FOUND", null],
    ["GET", "/v1", 404, "ROUTE_NOT_FOUND", null],
    ["PATCH", "/v1/leases", 405, "METHOD_NOT_ALLOWED", "GET, HEAD, POST"],
    ["POST", `/v1/leases/${newId()}`, 405, "METHOD_NOT_ALLOWED", "DELETE, GET, HEAD, PUT"],
    ["GET", "/v1/sweep", 405, "METHOD_NOT_ALLOWED", "POST"],
    ["DELETE", "/healthz", 405, "METHOD_NOT_ALLOWED", "GET, HEAD"],
    ["POST", "/openapi.json", 405, "METHOD_NOT_ALLOWED", "GET, HEAD"],
    ["OPTIONS", "/v1/events", 405, "METHOD_NOT_ALLOWED", "GET"],
  ])("%s %s: %i %s", async (method, path, status, code, allow) => {
    server = await startServer();
    const answer = await server.ask(method, `${path}?reason=private`);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(answer.headers.get("allow")).toBe(allow);
    expect(answer.body).toEqual({
      type: `urn:lease:error:${code}`,
      title: expect.any(String),
      status,
      detail: expect.any(String),
      instance: path,
      code,
    });
    expect(answer.status).toBe(status);
  });

  test.each(["evil.example", "evil.example:5327", "127.0.0.1.evil.example", "[::2]:5327"])(
    "without a token, a page of the host %s does not get through the user's browser",
    async (host) => {
      server = await startServer();
      const answer = await raw(`GET /v1/leases HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1.1 421 /);
      expect(answer).toContain('"code":"WRONG_HOST"');
    },
  );

  test.each(["localhost:5327", "LOCALHOST", "127.0.0.1", "[::1]:5327"])(
    "the host %s is this machine",
    async (host) => {
      server = await startServer();
      const answer = await raw(`GET /v1/leases HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1.1 200 /);
    },
  );

  test("a body over 64 KiB is 413, told or found", async () => {
    server = await startServer();
    const body = JSON.stringify({ ...ok, reason: "x".repeat(64 * 1024) });
    const answer = await server.ask("POST", "/v1/leases", body);
    expect(answer.body).toMatchObject({ status: 413, code: "BODY_TOO_LARGE" });
    const chunks = `${(40_000).toString(16)}\r\n${"x".repeat(40_000)}\r\n`.repeat(2);
    const head =
      "POST /v1/leases HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    expect(await raw(`${head}${chunks}0\r\n\r\n`)).toMatch(/^HTTP\/1\.1 413 .*BODY_TOO_LARGE/s);
  });

  test.each(["text/plain", "application/x-www-form-urlencoded", "application/xml"])(
    "a body of %s is 415",
    async (type) => {
      server = await startServer();
      const headers = { "content-type": type };
      const response = await fetch(`${server.url}/v1/leases`, {
        method: "POST",
        headers,
        body: JSON.stringify(ok),
      });
      expect(response.status).toBe(415);
      expect(await response.json()).toMatchObject({ status: 415, code: "UNSUPPORTED_MEDIA_TYPE" });
      expect((await server.backend.list({})).leases).toEqual([]);
    },
  );

  test("what is no HTTP is 400, headers without end 431", async () => {
    server = await startServer();
    expect(await raw("HELLO\r\n\r\n")).toMatch(
      /^HTTP\/1\.1 400 .*application\/problem\+json.*MALFORMED_REQUEST/s,
    );
    expect(await raw(`GET / HTTP/1.1\r\nX: ${"x".repeat(40_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431 .*HEADERS_TOO_LARGE/s,
    );
  });
});

describe("slow clients", () => {
  const head =
    "POST /v1/leases HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n";

  test.each([
    ["headers", head.slice(0, 40)],
    ["body", `${head}{"agentId"`],
  ])("who never finishes its %s is cut off with 408", async (_, text) => {
    server = await startServer({ limits: { requestMs: 100 } });
    expect(await raw(text)).toMatch(/^HTTP\/1\.1 408 .*REQUEST_TIMEOUT/s);
  });

  test("a long poll and an event stream outlive that time", async () => {
    server = await startServer({ limits: { requestMs: 300, heartbeatMs: 50 } });
    await server.ask("POST", "/v1/leases", ok);
    const events = await fetch(`${server.url}/v1/events`);
    const poll = await server.ask("POST", "/v1/leases", { ...ok, agentId: "b", waitMs: 1_200 });
    expect(poll.status).toBe(409);
    const chunks = events.body?.getReader();
    for (let beats = 0; beats < 5; beats += 1) expect((await chunks?.read())?.done).toBe(false);
    await chunks?.cancel();
  });
});

describe("the token", () => {
  const guarded = ["/v1/leases", "/v1/history", "/v1/events", "/openapi.json", "/metrics"];

  test.each(guarded)("GET %s wants it", async (path) => {
    server = await startServer({ token: "tr0ub4dor" });
    for (const authorization of [
      undefined,
      "Bearer wrong",
      "Bearer tr0ub4dor2",
      "Basic tr0ub4dor",
      "tr0ub4dor",
      "Bearer ",
    ]) {
      const headers = authorization === undefined ? {} : { authorization };
      const answer = await server.ask("GET", path, undefined, { headers });
      expect(answer.body).toMatchObject({ status: 401, code: "UNAUTHORIZED" });
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    }
  });

  test("opens every route, in any case of the scheme; health needs none", async () => {
    server = await startServer({ token: "tr0ub4dor" });
    expect((await server.ask("POST", "/v1/leases", ok)).status).toBe(401);
    for (const authorization of ["Bearer tr0ub4dor", "bearer tr0ub4dor"]) {
      expect(
        (await server.ask("GET", "/v1/leases", undefined, { headers: { authorization } })).body.leases,
      ).toEqual([]);
    }
    for (const path of ["/healthz", "/readyz"]) expect((await server.ask("GET", path)).status).toBe(200);
  });
});

test("readiness is the backend's answer", async () => {
  server = await startServer();
  expect((await server.ask("GET", "/readyz")).body).toEqual({ status: "ready" });
  await server.backend.close();
  expect((await server.ask("GET", "/readyz")).body).toMatchObject({ status: 503, code: "CLOSED" });
  expect((await server.ask("GET", "/healthz")).body).toEqual({ status: "ok" });
});

test("the log has a line for each answer, and no token, no header, no query", async () => {
  let log = "";
  const sink = new Writable({
    write(chunk, _, done) {
      log += chunk;
      done();
    },
  });
  server = await startServer({ token: "tr0ub4dor", logger: pino({ level: "debug" }, sink) });
  const headers = { authorization: "Bearer tr0ub4dor" };
  await server.ask("GET", "/v1/leases?resource=private", undefined, { headers });
  await server.ask("GET", "/v1/leases?resource=private", undefined, {
    headers: { authorization: "Bearer other-secret" },
  });
  await server.ask("POST", "/v1/leases", { ...ok, reason: "private" }, { headers });
  await until(() => log.includes('"status":201'));
  const lines = log
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines.filter(({ msg }) => msg === "answered")).toMatchObject([
    { method: "GET", path: "/v1/leases", route: "/v1/leases", status: 200, ms: expect.any(Number) },
    { status: 401 },
    { method: "POST", status: 201 },
  ]);
  expect(log).not.toMatch(/tr0ub4dor|other-secret|private|authorization/i);
});
