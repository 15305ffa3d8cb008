/** The server as it is started: environment, files, signals. It runs the built dist. */
import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { createLeaseManager } from "@lease/core";
import { sqliteBackend } from "@lease/sqlite";
import { afterEach, describe, expect, test } from "vitest";
import { cleanUp, newFolder, startChild } from "./child.js";
import { newId, until } from "./server.js";

afterEach(cleanUp);

// biome-ignore lint/suspicious/noExplicitAny: what tests look at is what they are about
const json = async (response: Promise<Response>): Promise<any> => (await response).json();

const send = (url: string, method: string, body?: object) =>
  fetch(url, {
    method,
    ...(body === undefined
      ? {}
      : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  });

test("needs no settings: makes its folder, greets with a URL and something to try, keeps leases over a restart", async () => {
  const cwd = newFolder();
  const first = startChild({}, { cwd });
  const url = await first.url();
  expect(first.out()).toBe(
    `Lease is ready on ${url} (sqlite). Try: curl -s ${url}/v1/leases -H 'content-type: application/json' -d '{"agentId":"me","resources":["src/app.ts"]}'\n`,
  );
  const modeOf = (path: string) => (statSync(join(cwd, path)).mode & 0o777).toString(8);
  expect([modeOf("lease-data"), modeOf("lease-data/leases.db")]).toEqual(["700", "600"]);
  const lease = await json(send(`${url}/v1/leases`, "POST", { agentId: "a", resources: ["r"] }));

  first.process.kill("SIGKILL");
  await first.exited;
  const second = startChild({}, { cwd });
  const { leases } = await json(fetch(`${await second.url()}/v1/leases`));
  expect(leases).toMatchObject([{ id: lease.id, token: lease.token }]);
  await until(() => second.err().endsWith("\n"));
  for (const line of second.err().trim().split("\n")) expect(() => JSON.parse(line)).not.toThrow();
});

describe("SIGTERM and SIGINT", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "%s: exits with 0, at once when nobody holds anything",
    async (signal) => {
      const child = startChild({ LEASE_BACKEND: "memory:", LEASE_DRAIN_MS: "600000" });
      const url = await child.url();
      const stream = await fetch(`${url}/v1/events`);
      child.process.kill(signal);
      expect(await stream.text()).toBe("retry: 1000\n\n");
      expect(await child.exited).toBe(0);
    },
  );

  test("lets holders renew and release, sends away who waits, grants nothing new", async () => {
    const child = startChild({ LEASE_DRAIN_MS: "600000" });
    const url = await child.url();
    const path = `${url}/v1/leases/${newId()}`;
    await send(path, "PUT", { agentId: "a", resources: ["r"] });
    const waiting = send(`${url}/v1/leases`, "POST", { agentId: "b", resources: ["r"], waitMs: 300_000 });
    await until(async () => (await json(fetch(`${url}/v1/leases?state=pending`))).leases.length === 1);

    child.process.kill("SIGTERM");
    expect((await waiting).status).toBe(503);
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect((await send(`${url}/v1/leases`, "POST", { agentId: "c", resources: ["s"] })).status).toBe(503);
    expect((await send(`${path}/renew`, "POST", { agentId: "a" })).status).toBe(200);
    expect((await json(fetch(`${url}/v1/leases`))).leases).toHaveLength(1);
    expect(await json(send(`${path}?agentId=a`, "DELETE"))).toEqual({ result: "released" });
    expect(await child.exited).toBe(0);
  });

  test("drains no longer than it may, and then closes", async () => {
    const child = startChild({ LEASE_DRAIN_MS: "300" });
    const url = await child.url();
    await send(`${url}/v1/leases`, "POST", { agentId: "a", resources: ["r"] });
    const startedAt = performance.now();
    child.process.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    // Never sooner, however fast the machine is.
    expect(performance.now() - startedAt).toBeGreaterThan(290);
  });

  test("a second signal exits at once", async () => {
    const child = startChild({ LEASE_DRAIN_MS: "600000" });
    const url = await child.url();
    await send(`${url}/v1/leases`, "POST", { agentId: "a", resources: ["r"] });
    child.process.kill("SIGTERM");
    await until(() => child.err().includes('"stopping"'));
    child.process.kill("SIGTERM");
    expect(await child.exited).toBe(128 + constants.signals.SIGTERM);
  });

  test("ends what is past its time before it goes", async () => {
    const cwd = newFolder();
    const child = startChild({}, { cwd });
    const url = await child.url();
    const asked = { agentId: "a", resources: ["r"], ttlMs: 3_000 };
    const lease = await json(send(`${url}/v1/leases`, "POST", asked));
    await until(async () => (await json(fetch(`${url}/v1/leases`))).leases.length === 0);
    child.process.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    const backend = sqliteBackend({ path: join(cwd, "lease-data/leases.db") });
    const expired: string[] = [];
    for await (const event of backend.changes({ types: ["expired"] })) expired.push(event.lease.id);
    expect(expired).toEqual([lease.id]);
    await backend.close();
  });
});

test("after an error that nobody caught it takes nothing new, drains nobody, and exits with 1", async () => {
  const broken = "process.on('SIGUSR2', () => Promise.reject(new Error('a bug')))";
  const child = startChild(
    { LEASE_DRAIN_MS: "600000" },
    { args: ["--import", `data:text/javascript,${encodeURIComponent(broken)}`] },
  );
  const url = await child.url();
  await send(`${url}/v1/leases`, "POST", { agentId: "a", resources: ["r"] });
  child.process.kill("SIGUSR2");
  expect(await child.exited).toBe(1);
  expect(child.err()).toContain("a bug");
  expect(child.err()).toContain('"stopped"');
});

test("the monitor is on: it tells the log, once each, and leaves leases alone", async () => {
  const child = startChild({ LEASE_MAX_HOLD_MS: "200", LEASE_MAX_WAIT_MS: "100" });
  const url = await child.url();
  const lease = await json(
    send(`${url}/v1/leases`, "POST", { agentId: "a", resources: ["r"], reason: "private" }),
  );
  const waiter = `${url}/v1/leases/${newId()}`;
  const waiting = { agentId: "b", resources: ["r"], wait: true };
  expect((await send(waiter, "PUT", waiting)).status).toBe(202);
  const findings = () =>
    child
      .err()
      .split("\n")
      .filter((line) => line.includes('"finding"'))
      .map((line) => JSON.parse(line));
  await until(() => findings().length === 2);
  await setTimeout(1_100);
  expect(findings().sort((a, b) => a.agentId.localeCompare(b.agentId))).toMatchObject([
    { level: 40, finding: "held-too-long", leaseId: lease.id, agentId: "a", resources: ["r"] },
    { level: 40, finding: "waits-too-long", agentId: "b", resources: ["r"] },
  ]);
  expect(findings().every(({ ageMs }) => ageMs > 100)).toBe(true);
  expect(child.err()).not.toContain("private");
  expect((await json(fetch(`${url}/v1/leases`))).leases).toHaveLength(2);
});

test("an event stream tells what another process does to the same file", async () => {
  const cwd = newFolder();
  const child = startChild({ LEASE_BACKEND: "sqlite:leases.db" }, { cwd });
  const response = await fetch(`${await child.url()}/v1/events?after=end`);
  // This process, that is.
  const leases = createLeaseManager({
    backend: sqliteBackend({ path: join(cwd, "leases.db") }),
    agentId: "elsewhere",
  });
  const lease = await leases.acquire("r");
  await lease.release();
  await leases.close({ backend: true });
  let text = "";
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    if (text.includes("event: released")) break;
  }
  const events = [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data as string));
  expect(events.map(({ type, lease: { id } }) => [type, id])).toEqual([
    ["acquired", lease.id],
    ["released", lease.id],
  ]);
});

test("/metrics tells of leases, of the janitor's and monitor's calls, and of this process", async () => {
  const child = startChild({ LEASE_MAX_HOLD_MS: "1" });
  const url = await child.url();
  await send(`${url}/v1/leases`, "POST", { agentId: "a", resources: ["r"] });
  await until(() => child.err().includes("held-too-long"));
  const text = await (await fetch(`${url}/metrics`)).text();
  expect(text).toContain('lease_acquires_total{backend="sqlite",result="granted"} 1\n');
  expect(text).toContain('lease_live_leases{backend="sqlite",state="active",mode="exclusive"} 1\n');
  expect(text).toMatch(/lease_backend_calls_total\{backend="sqlite",operation="list"\} [1-9]/);
  expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
  expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds /m);
});

describe("says in one line why it does not start, and exits with 1", () => {
  test.each([
    ["no token", { LEASE_HOST: "0.0.0.0" }, /LEASE_HOST=0\.0\.0\.0: set LEASE_TOKEN/],
    ["a port that is none", { LEASE_PORT: "x" }, /LEASE_PORT must be integer/],
    [
      "an unknown backend",
      { LEASE_BACKEND: "mysql://u:tr0ub4dor@host" },
      /must begin with one of memory:, sqlite:/,
    ],
    ["a missing folder", { LEASE_BACKEND: "sqlite:no/such/folder/leases.db" }, /does not exist/],
  ])("%s", async (_, env, reason) => {
    const child = startChild(env);
    expect(await child.exited).toBe(1);
    expect(child.err()).toMatch(/^lease-server does not start\. [^\n]*\n$/);
    expect(child.err()).toMatch(reason);
    expect(child.err()).not.toContain("tr0ub4dor");
    expect(child.out()).toBe("");
  });

  test("a port that is taken", async () => {
    const first = startChild({ LEASE_BACKEND: "memory:" });
    const { port } = new URL(await first.url());
    const second = startChild({ LEASE_BACKEND: "memory:", LEASE_PORT: port });
    expect(await second.exited).toBe(1);
    expect(second.err()).toMatch(/^lease-server does not start\. .*set LEASE_PORT to a free port\.\n$/);
  });

  test("a file that is no database", async () => {
    const child = startChild({ LEASE_BACKEND: `sqlite:${process.execPath}` });
    expect(await child.exited).toBe(1);
    expect(child.err()).toMatch(/^lease-server does not start\. [^\n]*\n$/);
  });
});

test("with a token it listens anywhere, and never prints it", async () => {
  const child = startChild({ LEASE_BACKEND: "memory:", LEASE_HOST: "0.0.0.0", LEASE_TOKEN: "tr0ub4dor" });
  const { port } = new URL(await child.url());
  const url = `http://127.0.0.1:${port}/v1/leases`;
  expect((await fetch(url)).status).toBe(401);
  expect((await fetch(url, { headers: { authorization: "Bearer tr0ub4dor" } })).status).toBe(200);
  child.process.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  expect(child.out()).toContain("authorization: Bearer $LEASE_TOKEN");
  expect(child.out() + child.err()).not.toContain("tr0ub4dor");
});

describe("a Node that is too old", () => {
  const refusal = /^lease-server needs Node 22 or newer; this is 2?\d\.\d+\.\d+\.\n$/;

  test("is told in one line, before anything is loaded", async () => {
    const pretend = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.19.0" } })`;
    const child = startChild(
      {},
      { args: ["--import", `data:text/javascript,${encodeURIComponent(pretend)}`] },
    );
    expect(await child.exited).toBe(1);
    expect(child.err()).toMatch(refusal);
    expect(child.out()).toBe("");
  });

  const host = "/usr/bin/node";
  const version = existsSync(host) ? execFileSync(host, ["-p", "process.versions.node"]).toString() : "none";
  test.skipIf(!(Number.parseInt(version, 10) < 22))(`the host's own, ${version.trim()}`, async () => {
    const child = startChild({}, { node: host });
    expect(await child.exited).toBe(1);
    expect(child.err()).toMatch(refusal);
  });
});
