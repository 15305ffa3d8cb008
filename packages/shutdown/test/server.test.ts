import { once } from "node:events";
import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import fastify from "fastify";
import { expect, test } from "vitest";
import { closeServer } from "../src/server.js";
import { world } from "./support.js";

test("every way to close is understood", async () => {
  const closed: string[] = [];
  await closeServer({ close: () => void closed.push("at once") });
  await closeServer({ close: async () => void closed.push("promise") });
  await closeServer({ close: (callback) => setTimeout(() => closed.push("callback") && callback?.(), 1) });
  expect(closed).toEqual(["at once", "promise", "callback"]);
  await expect(closeServer({ close: (callback) => callback?.(new Error("no")) })).rejects.toThrow("no");
  await expect(closeServer({ close: () => Promise.reject(new Error("no")) })).rejects.toThrow("no");
  await expect(
    closeServer({
      close: () => {
        throw new Error("no");
      },
    }),
  ).rejects.toThrow("no");
});

test("node:http: requests under way are answered, and their leases released, before it is over", async () => {
  const { manager, backend, shutdown } = world();
  const leases = manager();
  let finish = () => {};
  const server = createServer((_, response) => {
    void leases.withLease("a", async () => {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      response.end("done");
    });
  }).listen(0);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const answer = once(get({ port, agent: false }), "response");
  await expect.poll(() => leases.held.length).toBe(1);
  const report = shutdown({ managers: [leases], server, closeBackends: false }).shutDown();
  await expect.poll(() => server.listening).toBe(false);
  finish();
  const [response] = await answer;
  response.resume();
  expect(response.statusCode).toBe(200);
  expect(await report).toMatchObject({ code: 0, interrupted: 0 });
  expect((await backend.list({})).leases).toEqual([]);
});

test("Fastify: its hooks run, and it is closed when it is over", async () => {
  const { shutdown } = world();
  const app = fastify();
  let hooked = false;
  app.addHook("onClose", async () => {
    hooked = true;
  });
  app.get("/", async () => "ok");
  await app.listen({ port: 0 });
  expect(await shutdown({ server: app }).shutDown()).toMatchObject({ code: 0, problems: [] });
  expect(hooked).toBe(true);
  expect(app.server.listening).toBe(false);
});

test("a server whose holders are its clients drains first, and is told when patience is over", async () => {
  const { clock, backend, shutdown } = world();
  const told: string[] = [];
  const server = {
    drain: async ({ signal }: { signal: AbortSignal }) => {
      told.push("drain");
      await once(signal, "abort");
      told.push("no more patience");
    },
    close: async () => void told.push("close"),
  };
  const report = shutdown({ backends: [backend], server, timeoutMs: 2_000, drainMs: 1_000 }).shutDown();
  await clock.advance(999);
  expect(told).toEqual(["drain"]);
  await clock.advance(1);
  expect(await report).toMatchObject({ code: 0 });
  expect(told).toEqual(["drain", "no more patience", "close"]);
});

test("a server that does not drain is closed all the same; one that does not close is left", async () => {
  const { clock, shutdown } = world();
  let closing = false;
  const server = {
    drain: () => new Promise(() => {}),
    close: () => {
      closing = true;
      return new Promise(() => {});
    },
  };
  const report = shutdown({ server, timeoutMs: 2_000, drainMs: 1_000 }).shutDown();
  await clock.advance(2_000);
  expect(closing).toBe(true);
  expect((await report).problems.map(({ message }) => message)).toEqual([
    "No time was left for closing the server.",
  ]);
  const failing = { drain: () => Promise.reject(new Error("no")), close: async () => {} };
  expect(await shutdown({ server: failing }).shutDown()).toMatchObject({
    code: 1,
    problems: [{ message: "This failed: draining the server." }],
  });
});
