/** The contract through a real server: over the store in memory, and over SQLite with an answer lost now and then. */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryBackend } from "@lease/core";
import { sqliteBackend } from "@lease/sqlite";
import { conformance, modelTest } from "@lease/testing";
import { afterAll, describe, test } from "vitest";
// By path: the server is an app, which publishes nothing to import.
import { startServer } from "../../../apps/server/test/server.js";
import { httpBackend } from "../src/index.js";

const concurrently = (name: string, run: () => Promise<void>) => test.concurrent(name, run);
const folder = mkdtempSync(join(tmpdir(), "lease-http-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const behindServer = (open: () => ReturnType<typeof memoryBackend>) => async () => {
  const backend = open();
  const server = await startServer({ backend });
  return {
    open: () => httpBackend({ url: server.url, callTimeoutMs: 30_000 }),
    close: () => server.close(),
  };
};

describe("memory behind a server", () => {
  const factory = behindServer(() => memoryBackend());
  conformance({ test: concurrently, factory });
  modelTest({ test: concurrently, factory, runs: 6 });
});

describe("SQLite behind a server", () => {
  const factory = behindServer(() => sqliteBackend({ path: join(folder, `${randomUUID()}.db`) }));
  conformance({ test: concurrently, factory });
  modelTest({ test: concurrently, factory, runs: 6 });
});
