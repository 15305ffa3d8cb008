/** Lists look up by key where a filter allows it, and see what other connections did. */
import type { Lease, LeaseBackend } from "@lease/core";
import { createLeaseId } from "@lease/core";
import type { LeaseQuery } from "@lease/core/backend";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createSqliteBackend } from "../src/backend.js";
import { idKey, idText } from "../src/codec.js";
import { prepareStatements } from "../src/statements.js";
import { newFolder } from "./folder.js";
import { hold, release, request } from "./requests.js";

let folder: ReturnType<typeof newFolder>;
let backend: LeaseBackend;

beforeEach(() => {
  folder = newFolder();
  backend = createSqliteBackend({ path: folder.file() });
});

afterEach(async () => {
  await backend.close();
  folder.remove();
});

async function listed(query: LeaseQuery): Promise<string[]> {
  const resources: string[] = [];
  let after: string | undefined;
  do {
    const page = await backend.list({ ...query, ...(after !== undefined && { after }) });
    resources.push(...page.leases.map(({ claims }) => claims[0]?.resource ?? ""));
    after = page.next ?? undefined;
  } while (after !== undefined);
  return resources;
}

test("an agent's leases, in the order of their tokens, whatever else is filtered and however small the page", async () => {
  const agents = ["alice", "alice's", "alic", "bob", 'say "hi"'];
  for (let number = 0; number < 30; number += 1) {
    const agentId = agents[number % agents.length] as string;
    await hold(backend, `area-${number % 2}/file-${number}.ts`, { agentId });
  }
  await backend.acquire(request("area-0/file-0.ts", { agentId: "bob", wait: "queue" }));
  const first = await hold(backend, "first.ts", { agentId: "alice" });
  await release(backend, first);

  const alices = [0, 5, 10, 15, 20, 25].map((number) => `area-${number % 2}/file-${number}.ts`);
  for (const limit of [1, 2, 3, 6, 1000]) {
    expect(await listed({ agentId: "alice", limit })).toEqual(alices);
    expect(await listed({ agentId: "bob", state: "pending", limit })).toEqual(["area-0/file-0.ts"]);
    expect(await listed({ agentId: "alice", resource: "area-1/**", limit })).toEqual(
      alices.filter((resource) => resource.startsWith("area-1/")),
    );
    expect(await listed({ agentId: "alice", resource: "**", limit })).toEqual(alices);
    expect(await listed({ resource: "**", limit })).toEqual(await listed({}));
  }
  expect(await listed({ agentId: "nobody" })).toEqual([]);
});

/** How SQLite would look for an agent's leases. */
function planOfAgent(): string[] {
  const db = new Database(folder.file());
  const sql = prepareStatements(db).ofAgent.source.replaceAll("?", "1");
  const plan = db.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all();
  db.close();
  return plan.map(({ detail }) => detail);
}

test("few leases are scanned for an agent's; many get an index, which all connections then keep and use", async () => {
  const other = createSqliteBackend({ path: folder.file() });
  const holdSome = (from: number, count: number) =>
    Promise.all(
      Array.from({ length: count }, (_, i) =>
        hold(i % 2 === 0 ? backend : other, `file-${from + i}.ts`, { agentId: `agent-${(from + i) % 100}` }),
      ),
    );
  const first = await holdSome(0, 100);
  expect(await listed({ agentId: "agent-7" })).toEqual(["file-7.ts"]);
  expect(planOfAgent()[0]).toMatch(/USING PRIMARY KEY \(kind=\?\)/);

  await holdSome(100, 500);
  const agents = ["file-7.ts", "file-107.ts", "file-207.ts", "file-307.ts", "file-407.ts", "file-507.ts"];
  expect((await listed({ agentId: "agent-7" })).sort()).toEqual([...agents].sort());
  expect(planOfAgent()).toEqual(["SEARCH live USING INDEX live_by_agent (agent=? AND token>?)"]);
  await release(other, first[7] as Lease);
  await hold(other, "another.ts", { agentId: "agent-7" });
  expect((await listed({ agentId: "agent-7", limit: 2 })).sort()).toEqual(
    ["another.ts", ...agents.slice(1)].sort(),
  );
  await other.close();
  const db = new Database(folder.file());
  expect(db.pragma("integrity_check", { simple: true })).toBe("ok");
  db.close();
});

test("what another connection did is seen: new numbers, a subtree claim, an id that ended", async () => {
  const other = createSqliteBackend({ path: folder.file() });
  const mine = await hold(backend, "a.ts");
  const theirs = await hold(other, "b.ts", { agentId: "bob" });
  expect(theirs.token).toBeGreaterThan(mine.token);
  expect((await hold(backend, "c.ts")).token).toBeGreaterThan(theirs.token);

  const wide = await hold(other, "src/**", { agentId: "bob" });
  const narrow = request("src/app.ts");
  expect(await backend.acquire(narrow)).toMatchObject({ status: "refused", blockers: [{ id: wide.id }] });
  await release(other, wide);
  expect(await backend.acquire(narrow)).toMatchObject({ status: "granted" });
  // And of its own, after it had looked.
  const own = await hold(backend, "docs/**");
  expect(await backend.acquire(request("docs/a.md"))).toMatchObject({ blockers: [{ id: own.id }] });
  await release(backend, own);

  const id = createLeaseId();
  await other.release([{ kind: "abandon", id, agentId: "alice" }]);
  expect(await backend.acquire(request("d.ts", { id }))).toMatchObject({ status: "ended" });
  await other.close();
});

test("a lease that this connection wrote and another one changed is seen as it is now", async () => {
  const other = createSqliteBackend({ path: folder.file() });
  const lease = await hold(backend, "a.ts");
  const { id, agentId, token } = lease;
  const renew = (on: LeaseBackend, renewal: number) => on.renew([{ id, agentId, token, renewal }]);
  expect(await renew(backend, 1)).toMatchObject([{ lease: { renewals: 1 } }]);
  expect(await renew(other, 2)).toMatchObject([{ lease: { renewals: 2 } }]);
  expect(await renew(backend, 2)).toMatchObject([{ lease: { renewals: 2 } }]);
  await other.release([{ kind: "revoke", id, by: "admin", reason: null, graceMs: 60_000 }]);
  expect(await renew(backend, 3)).toMatchObject([{ lease: { revoking: { by: "admin" } } }]);
  await other.release([{ kind: "revoke", id, by: "admin", reason: null, graceMs: 0 }]);
  expect(await renew(backend, 4)).toMatchObject([{ status: "revoked", by: "admin" }]);
  expect(await release(backend, lease)).toBe("not-found");
  await other.close();
});

test("a step that was undone leaves nothing behind in what is remembered of the file", async () => {
  const failing = createSqliteBackend(
    { path: folder.file("failing.db") },
    {
      onOpen: (db) => {
        db.exec(`CREATE TEMP TRIGGER fault BEFORE INSERT ON history WHEN new.events LIKE '%fault%'
          BEGIN SELECT RAISE(ABORT, 'made to fail'); END`);
      },
    },
  );
  const before = await hold(failing, "a.ts");
  const undone = createLeaseId();
  await expect(hold(failing, "fault/**", { id: undone })).rejects.toThrow(/made to fail/);
  expect(await failing.renew([{ id: undone, agentId: "alice" }])).toEqual([{ status: "not-found" }]);
  expect((await failing.list({ resource: "**" })).leases.map(({ id }) => id)).toEqual([before.id]);
  const sequences: string[] = [];
  await hold(failing, "b.ts");
  const { id } = before;
  expect(await failing.renew([{ id, agentId: "alice" }])).toMatchObject([{ status: "renewed" }]);
  for await (const { type, lease } of failing.changes({}))
    sequences.push(`${type} ${lease.claims[0]?.resource}`);
  expect(sequences).toEqual(["acquired a.ts", "acquired b.ts", "renewed a.ts"]);
  await failing.close();
});

test("an id is found again by what stands for it in the file, whatever its digits", () => {
  const odd = ["00000000-0000-7000-8000-000000000000", "ffffffff-ffff-7fff-bfff-ffffffffffff"];
  const ids = [...odd, ...Array.from({ length: 200 }, createLeaseId)];
  for (const id of ids) {
    expect(idKey(id)).toMatch(/^[\w-]{22}$/);
    expect(idText(idKey(id))).toBe(id);
  }
  expect(new Set(ids.map(idKey)).size).toBe(ids.length);
});
