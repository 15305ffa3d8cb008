/** Group commit: one transaction for many calls, an answer of its own for each. */
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createSqliteBackend } from "../src/backend.js";
import { newFolder } from "./folder.js";
import { expectError, held, hold, release, request } from "./requests.js";

let folder: ReturnType<typeof newFolder>;

beforeEach(() => {
  folder = newFolder();
});

afterEach(() => folder.remove());

/** How many transactions wrote to the history, each of them one row. */
function transactions(): number {
  const db = new Database(folder.file());
  const count = db.prepare("SELECT count(*) FROM history").pluck().get() as number;
  db.close();
  return count;
}

test("calls of one turn of the event loop share a transaction, in the order in which they were made", async () => {
  const backend = createSqliteBackend({ path: folder.file() });
  await backend.list({});
  const results = await Promise.all(
    Array.from({ length: 100 }, (_, number) => backend.acquire(request(`src/file-${number}.ts`))),
  );
  const tokens = results.map((result) => (result.status === "granted" ? result.lease.token : 0));
  expect([...tokens].sort((a, b) => a - b)).toEqual(tokens);
  expect(new Set(tokens).size).toBe(100);
  expect(transactions()).toBe(1);
  const sequences = [];
  for await (const event of backend.changes({})) sequences.push(event.lease.token);
  expect(sequences).toEqual(tokens);
  await backend.close();
});

test("a call sees what those before it in the group did", async () => {
  const backend = createSqliteBackend({ path: folder.file() });
  const first = request("src/app.ts");
  const [granted, refused, page] = await Promise.all([
    backend.acquire(first),
    backend.acquire(request("src/**", { agentId: "bob" })),
    backend.list({}),
  ]);
  expect(granted).toMatchObject({ status: "granted" });
  expect(refused).toMatchObject({ status: "refused", blockers: [{ id: first.id }] });
  expect(page.leases).toMatchObject([{ id: first.id }]);
  await backend.close();
});

test("a request that is refused with an error fails alone", async () => {
  const backend = createSqliteBackend({ path: folder.file() });
  const lease = await hold(backend, "src/app.ts");
  const results = await Promise.allSettled([
    backend.acquire(request("a")),
    backend.acquire(request("src/app.ts", { id: lease.id, agentId: "mallory" })),
    backend.acquire(request("other.ts", { id: lease.id })),
    backend.acquire(request("not//valid")),
    backend.acquire(request("b")),
  ]);
  expect(results).toMatchObject([
    { value: { status: "granted" } },
    { reason: { code: "LEASE_NOT_OWNER" } },
    { reason: { code: "INVALID_ARGUMENT", details: { field: "claims" } } },
    { reason: { code: "INVALID_ARGUMENT", details: { field: "claims[0].resource" } } },
    { value: { status: "granted" } },
  ]);
  expect(await held(backend)).toEqual(["a", "b", "src/app.ts"]);
  await backend.close();
});

test("a request that its maker changes after the call is carried out as it was asked", async () => {
  const backend = createSqliteBackend({ path: folder.file() });
  const claims = [{ resource: "src/app.ts", mode: "exclusive" as const }];
  const metadata = { task: { name: "rename" } };
  const call = backend.acquire(request("", { claims, metadata }));
  claims[0] = { resource: "../etc", mode: "exclusive" };
  metadata.task.name = "delete";
  expect(await call).toMatchObject({
    lease: { claims: [{ resource: "src/app.ts" }], metadata: { task: { name: "rename" } } },
  });
  await backend.close();
});

test("a step that fails undoes itself whole, and the others of its group are carried out", async () => {
  const backend = createSqliteBackend(
    { path: folder.file() },
    {
      onOpen: (db) => {
        db.exec(`CREATE TEMP TRIGGER fault BEFORE INSERT ON history WHEN new.events LIKE '%fault.ts%'
          BEGIN SELECT RAISE(ABORT, 'made to fail'); END`);
      },
    },
  );
  const results = await Promise.allSettled(["a.ts", "fault.ts", "b.ts"].map((name) => hold(backend, name)));
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(await held(backend)).toEqual(["a.ts", "b.ts"]);
  await backend.close();
});

test("a file that stays locked: BACKEND_UNAVAILABLE after busyTimeoutMs, and the event loop runs on", async () => {
  const backend = createSqliteBackend({ path: folder.file(), busyTimeoutMs: 150 });
  const lease = await hold(backend, "src/app.ts");
  const other = new Database(folder.file());
  other.exec("BEGIN IMMEDIATE");
  let turns = 0;
  const counting = setInterval(() => {
    turns += 1;
  }, 1);
  const begun = performance.now();
  await expectError(backend.acquire(request("b.ts")), "BACKEND_UNAVAILABLE", /stayed locked/);
  expect(performance.now() - begun).toBeGreaterThanOrEqual(149);
  clearInterval(counting);
  expect(turns).toBeGreaterThan(2);
  const releasing = release(backend, lease);
  // Reading needs no lock, also when asked for together with what does.
  expect(await held(backend)).toEqual(["src/app.ts"]);
  setTimeout(() => other.exec("COMMIT"), 40);
  expect(await releasing).toBe("released");
  other.close();
  await backend.close();
});

test("close lets calls that were made come to their end; later ones get CLOSED", async () => {
  const backend = createSqliteBackend({ path: folder.file() });
  const call = backend.acquire(request("src/app.ts"));
  const closing = backend.close();
  await expectError(backend.acquire(request("b.ts")), "CLOSED", /closed/);
  expect(await call).toMatchObject({ status: "granted" });
  await closing;
  await backend.close();
  const again = createSqliteBackend({ path: folder.file() });
  expect(await held(again)).toEqual(["src/app.ts"]);
  await again.close();
});
