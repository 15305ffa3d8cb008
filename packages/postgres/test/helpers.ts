/** What most tests of this package need: backends that are closed at the end, and a server of their own. */
import { randomUUID } from "node:crypto";
import type { LeaseBackend } from "@lease/core";
import { type PostgresOptions, type PostgresServer, startPostgres } from "@lease/test-servers";
import { afterAll, afterEach, beforeAll } from "vitest";
import { type PostgresBackendOptions, postgresBackend } from "../src/index.js";

const opened: LeaseBackend[] = [];

afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

/** A backend that is closed after the test; in a namespace of its own unless one is given. */
export function open(options: PostgresBackendOptions): LeaseBackend {
  const backend = postgresBackend({ namespace: randomUUID(), allowDataLoss: true, ...options });
  opened.push(backend);
  return backend;
}

/** One server for all tests of a file. */
export function useServer(options: PostgresOptions = {}): () => PostgresServer {
  let server: PostgresServer | undefined;
  beforeAll(async () => {
    server = await startPostgres(options);
  });
  afterAll(() => server?.stop());
  return () => server as PostgresServer;
}
