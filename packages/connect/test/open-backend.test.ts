import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { createLeaseManager, isLeaseError, type LeaseError } from "@lease/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openBackend } from "../src/index.js";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lease-connect-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function failure(url: unknown): Promise<LeaseError> {
  const error = await openBackend(url as string).then(
    () => expect.fail(`opened ${String(url)}`),
    (thrown: unknown) => thrown,
  );
  if (!isLeaseError(error)) throw error;
  return error;
}

/** Opens a URL and holds a lease there. */
async function use(url: string, kind: string): Promise<void> {
  const backend = await openBackend(url);
  try {
    expect(backend.kind).toBe(kind);
    const leases = createLeaseManager({ backend, agentId: "agent-7" });
    const lease = await leases.acquire("src/app.ts");
    expect(lease.isHeld()).toBe(true);
    await leases.close();
  } finally {
    await backend.close();
  }
}

test("memory: is a new store each time", async () => {
  await use("memory:", "memory");
  await use("MEMORY:", "memory");
});

describe("sqlite:", () => {
  const spellings: Record<string, (path: string) => string> = {
    "a relative path": (path) => `sqlite:${relative(process.cwd(), path)}`,
    "an absolute path": (path) => `sqlite:${path}`,
    "an absolute path behind an empty host": (path) => `sqlite://${path}`,
    "an option": (path) => `sqlite:${path}?synchronous=FULL`,
  };
  test.each(Object.entries(spellings))("opens %s", async (_, urlOf) => {
    const path = join(folder, "leases.db");
    await use(urlOf(path), "sqlite");
    await use(`sqlite:${path}`, "sqlite");
  });

  test("undoes percent-encoding in the name of the file", async () => {
    await use(`sqlite:${folder}/50%25%3F.db`, "sqlite");
    await use(`sqlite:///${folder.slice(1)}/50%25%3f.db`, "sqlite");
  });
});

test.each([
  [undefined],
  [42],
  [""],
  ["leases.db"],
  ["/var/lib/leases.db"],
  ["mysql://host/leases"],
  ["memory:?size=4"],
  ["memory:leases"],
  ["sqlite:"],
  ["sqlite://"],
  ["sqlite://host/leases.db"],
  ["sqlite:leases.db?synchronous=OFF"],
  ["sqlite:leases.db?synchronos=FULL"],
  ["sqlite:leases.db?synchronous=FULL&synchronous=NORMAL"],
  ["sqlite:50%.db"],
])("%j is refused as INVALID_ARGUMENT naming url", async (url) => {
  const error = await failure(url);
  expect(error.code).toBe("INVALID_ARGUMENT");
  expect(error.details).toEqual({ field: "url" });
  expect(error.message).toMatch(/^url /);
});

test.each([
  "postgres://127.0.0.1/app",
  "postgresql://u:p@a,b:5433/app?namespace=staging&schema=locks&ssl=on&listenUrl=poll",
])("%s opens Postgres, without connecting", async (url) => {
  const backend = await openBackend(url);
  expect(backend.kind).toBe("postgres");
  await backend.close();
});

test.each([
  "postgres://host",
  "postgres://host/app?sslmode=require",
  "postgres://host/app?ssl=maybe",
  "postgres:app",
])("%s is refused", async (url) => {
  await expect(openBackend(url)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test.each(["redis://127.0.0.1:6379", "rediss://host/3?namespace=staging"])(
  "%s opens Redis, without connecting",
  async (url) => {
    const backend = await openBackend(url);
    expect(backend.kind).toBe("redis");
    await backend.close();
  },
);

test.each(["redis://host/leases", "redis://host?db=1", "rediss://host?namespace=", "redis:"])(
  "%s is refused as INVALID_ARGUMENT",
  async (url) => {
    expect((await failure(url)).code).toBe("INVALID_ARGUMENT");
  },
);

test("an unknown scheme is answered with the known ones", async () => {
  expect((await failure("mysql://host")).message).toBe(
    "url must begin with one of memory:, sqlite:, redis:, rediss:, postgres:, postgresql:, etcd:, etcds:, http:, https:",
  );
});

test.each([
  "etcd://127.0.0.1:2379",
  "etcds://alice:pw@a:1,b:2/staging",
  "etcd://[::1]:2379/x",
  "ETCD://a,b,c",
])("%s opens etcd, without connecting", async (url) => {
  const backend = await openBackend(url);
  expect(backend.kind).toBe("etcd");
  await backend.close();
});

test.each([
  "etcd:",
  "etcd://",
  "etcd:///namespace",
  "etcd://a,,b",
  "etcd://a:b",
  "etcd://a/b/c",
  "etcd://a?namespace=x",
])("%s is refused as INVALID_ARGUMENT", async (url) => {
  expect((await failure(url)).code).toBe("INVALID_ARGUMENT");
});

test.each([
  "redis://alice:tr0ub4dor@host:6379/0?password=tr0ub4dor",
  "mysql://alice:tr0ub4dor@host",
  "alice:tr0ub4dor@host",
  "sqlite://alice:tr0ub4dor@host/leases.db",
  "sqlite:leases.db?tr0ub4dor=1&synchronous=tr0ub4dor",
  "sqlite:leases.db?synchronous=tr0ub4dor",
  "sqlite:tr0ub4dor%",
  "memory:tr0ub4dor",
  "etcd://alice:tr0ub4dor@a b:1/x",
  "etcd://alice:tr0ub4dor@host/%",
])("no error repeats what %s may carry", async (url) => {
  const error = await failure(url);
  expect(`${error.message} ${JSON.stringify(error.details)} ${String(error.cause)}`).not.toMatch(
    /alice|tr0ub4dor/,
  );
});
