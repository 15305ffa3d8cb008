/** TLS on a real server with a certificate of its own: who trusts it works over it, who does not is told why. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type RedisTlsServer, startRedisWithTls } from "@lease/test-servers";
import { processHost } from "@lease/testing";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  again,
  hold,
  info,
  LESS_THAN_DEFAULT_MS,
  NEVER_MS,
  open,
  queue,
  release,
  request,
} from "./helpers.js";

let server: RedisTlsServer;

beforeAll(async () => {
  server = await startRedisWithTls();
});
afterAll(() => server.stop());

test("rediss:// with a certificate that the process trusts (NODE_EXTRA_CA_CERTS)", async () => {
  const ca = join(server.folder, "trusted.crt");
  writeFileSync(ca, server.certificate);
  const host = await processHost({
    module: new URL("backend.worker.ts", import.meta.url),
    execArgv: ["--unhandled-rejections=strict", "--no-warnings"],
    env: { NODE_EXTRA_CA_CERTS: ca },
  });
  try {
    const backend = await host.open({ url: server.tlsUrl, namespace: "trusted" });
    const lease = await hold(backend, "r");
    expect(await release(backend, lease)).toBe("released");
    await backend.close();
  } finally {
    await host.stop();
  }
});

test("a client with the certificate: calls, waits and the feed all go over TLS", async () => {
  const client = new Redis(server.tlsUrl, { tls: { ca: server.certificate }, lazyConnect: true });
  const backend = open({ client });
  const held = await hold(backend, "r");
  const abort = new AbortController();
  const told: string[] = [];
  const following = (async () => {
    for await (const { type } of backend.changes({ follow: true, signal: abort.signal })) told.push(type);
  })();
  const pending = await queue(backend, "r", { agentId: "bob" });
  const turn = backend.turn({ id: pending.id, timeoutMs: 30_000 });
  await expect.poll(() => server.command("PUBSUB", "CHANNELS")).toHaveLength(1);
  expect(await release(backend, held)).toBe("released");
  await turn;
  expect(await backend.acquire(again(pending))).toMatchObject({ status: "granted" });
  await expect.poll(() => told).toEqual(["acquired", "queued", "released", "acquired"]);
  abort.abort();
  await following;
  // Our own questions alone come without it.
  const addresses = String(await server.command("CLIENT", "LIST"));
  const tlsPort = new URL(server.tlsUrl).port;
  expect(addresses.match(new RegExp(`laddr=127.0.0.1:${tlsPort} `, "g"))).toHaveLength(2);
  expect(await info(server, "connected_clients")).toBe("3");
});

test("a certificate that nobody trusts is refused at once, saying what to do, and nothing is asked of the server", async () => {
  await server.command("CONFIG", "RESETSTAT");
  const backend = open({ url: server.tlsUrl, callTimeoutMs: NEVER_MS });
  await expect(backend.acquire(request("r"))).rejects.toMatchObject({
    code: "BACKEND_INCOMPATIBLE",
    message: expect.stringMatching(/self-signed certificate.*NODE_EXTRA_CA_CERTS/),
  });
  expect(String(await server.command("INFO", "commandstats"))).not.toMatch(/evalsha|hello/);
});

test("a certificate for another name is refused, too", async () => {
  const tls = { ca: server.certificate, servername: "elsewhere.example" };
  const client = new Redis(server.tlsUrl, { tls, lazyConnect: true });
  await expect(hold(open({ client }), "r")).rejects.toMatchObject({
    code: "BACKEND_INCOMPATIBLE",
    message: expect.stringContaining("elsewhere.example"),
  });
});

test("TLS on one side only: BACKEND_UNAVAILABLE within the bound, with what the network said", async () => {
  const urls = [`rediss://127.0.0.1:${server.port}`, server.tlsUrl.replace("rediss:", "redis:")];
  for (const url of urls) {
    const begun = performance.now();
    await expect(open({ url, callTimeoutMs: 500 }).acquire(request("r"))).rejects.toMatchObject({
      code: "BACKEND_UNAVAILABLE",
      message: expect.stringMatching(/cannot be reached \(.+\)/),
    });
    expect(performance.now() - begun).toBeLessThan(LESS_THAN_DEFAULT_MS);
  }
});

test("a server that wants a certificate of its clients: refused without one, taken with one", async () => {
  await server.command("CONFIG", "SET", "tls-auth-clients", "yes");
  try {
    const trusting = { ca: server.certificate };
    const without = new Redis(server.tlsUrl, { tls: trusting, lazyConnect: true });
    await expect(hold(open({ client: without }), "r")).rejects.toMatchObject({
      code: "BACKEND_INCOMPATIBLE",
      message: expect.stringMatching(/certificate/i),
    });
    const tls = { ...trusting, cert: server.certificate, key: server.key };
    await hold(open({ client: new Redis(server.tlsUrl, { tls, lazyConnect: true }) }), "r");
  } finally {
    await server.command("CONFIG", "SET", "tls-auth-clients", "no");
  }
});
