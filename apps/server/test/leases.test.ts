import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { newId, startServer, type TestServer, until } from "./server.js";

let server: TestServer;
const id = newId();
const path = `/v1/leases/${id}`;

beforeEach(async () => {
  server = await startServer();
});

afterEach(() => server.close());

const acquire = (more: object = {}) =>
  server.ask("PUT", path, { agentId: "a", resources: ["r"], ttlMs: 10_000, ...more });

describe("renew", () => {
  const renew = (body: object = {}) => server.ask("POST", `${path}/renew`, { agentId: "a", ...body });

  test("200 with the lease; a repeat of a counted renewal says so, is counted once and extends nothing", async () => {
    const { body: lease } = await acquire();
    const renewed = await renew({ token: lease.token, ttlMs: 20_000, renewal: 1 });
    expect(renewed.status).toBe(200);
    expect(renewed.body).toMatchObject({ renewals: 1, repeated: false, expiresInMs: 20_000 });
    const repeated = await renew({ ttlMs: 60_000, renewal: 1 });
    expect(repeated.status).toBe(200);
    expect(repeated.body).toMatchObject({ id, renewals: 1, repeated: true });
    expect(repeated.body.expiresInMs).toBeLessThanOrEqual(20_000);
    expect((await renew()).body).toMatchObject({ renewals: 2, repeated: false });
  });

  test("409 for a count that skips, with what is counted: the lease lives on by the right one", async () => {
    await acquire({ ttlMs: 20_000 });
    for (const renewal of [9007199254740991, 2, 3, 4]) {
      const skipped = await renew({ ttlMs: 60_000, renewal });
      expect(skipped.status).toBe(409);
      expect(skipped.headers.get("content-type")).toContain("application/problem+json");
      expect(skipped.body).toMatchObject({ code: "RENEWAL_OUT_OF_ORDER", leaseId: id, renewals: 0 });
      expect(skipped.body.detail).toMatch(/Next: send renewal 1\.$/);
    }
    const untouched = (await server.ask("GET", path)).body;
    expect(untouched.renewals).toBe(0);
    expect(untouched.expiresInMs).toBeLessThanOrEqual(20_000);
    // Without a count it is one more, whatever was said before.
    expect((await renew({ ttlMs: 60_000 })).body).toMatchObject({ renewals: 1, expiresInMs: 60_000 });
    expect((await renew({ ttlMs: 70_000, renewal: 2 })).body).toMatchObject({
      renewals: 2,
      repeated: false,
      expiresInMs: 70_000,
    });
  });

  test("a client that restarts its count at 1 is told so, and goes on with the next", async () => {
    await acquire({ ttlMs: 20_000 });
    for (const renewal of [1, 2, 3]) expect((await renew({ renewal })).body.repeated).toBe(false);
    const restarted = (await renew({ ttlMs: 60_000, renewal: 1 })).body;
    expect(restarted).toMatchObject({ renewals: 3, repeated: true });
    expect(restarted.expiresInMs).toBeLessThanOrEqual(20_000);
    expect((await renew({ ttlMs: 60_000, renewal: restarted.renewals + 1 })).body).toMatchObject({
      renewals: 4,
      repeated: false,
      expiresInMs: 60_000,
    });
  });

  test("404 for an unknown id, 403 for another agent or token", async () => {
    expect((await renew()).body).toMatchObject({ status: 404, code: "LEASE_NOT_FOUND", leaseId: id });
    const { body: lease } = await acquire();
    expect((await renew({ agentId: "b" })).body).toMatchObject({ status: 403, code: "LEASE_NOT_OWNER" });
    expect((await renew({ token: lease.token + 1 })).body).toMatchObject({
      status: 403,
      code: "LEASE_NOT_OWNER",
    });
  });

  test("409 once the renewals agreed on are used up", async () => {
    await acquire({ maxRenewals: 1 });
    // First what a client can mend: two are left to it that it does not know of.
    expect((await renew({ renewal: 3 })).body).toMatchObject({ code: "RENEWAL_OUT_OF_ORDER", renewals: 0 });
    expect((await renew({ renewal: 1 })).status).toBe(200);
    expect((await renew({ renewal: 1 })).body).toMatchObject({ renewals: 1, repeated: true });
    expect((await renew({ renewal: 2 })).body).toMatchObject({
      status: 409,
      code: "LEASE_RENEWAL_LIMIT",
      maxRenewals: 1,
    });
  });

  test("410 that says whether it ran out or was revoked", async () => {
    await acquire({ ttlMs: 1_000 });
    await until(async () => (await server.backend.list({})).leases.length === 0);
    expect((await renew()).body).toMatchObject({ status: 410, code: "LEASE_LOST", how: "expired" });

    const other = newId();
    await server.ask("PUT", `/v1/leases/${other}`, { agentId: "a", resources: ["r"] });
    await server.ask("DELETE", `/v1/leases/${other}?force=true&by=admin&reason=stuck`);
    const lost = await server.ask("POST", `/v1/leases/${other}/renew`, { agentId: "a" });
    expect(lost.body).toMatchObject({ status: 410, how: "revoked", by: "admin", reason: "stuck" });
    expect(lost.body.detail).toMatch(/^admin revoked the lease .* \(reason: "stuck"\): stop the work/);
  });

  test("400 for a request still in line, which has nothing to renew", async () => {
    await server.ask("POST", "/v1/leases", { agentId: "b", resources: ["r"] });
    expect((await acquire({ wait: true })).status).toBe(202);
    expect((await renew()).body).toMatchObject({ status: 400, code: "INVALID_ARGUMENT", field: "id" });
  });
});

describe("DELETE", () => {
  test("releases, and is safe to repeat", async () => {
    const { body: lease } = await acquire();
    const release = () => server.ask("DELETE", `${path}?agentId=a&token=${lease.token}`);
    expect((await release()).body).toEqual({ result: "released" });
    const again = await release();
    expect([again.status, again.body]).toEqual([200, { result: "not-found" }]);
  });

  test("403 for another agent", async () => {
    await acquire();
    expect((await server.ask("DELETE", `${path}?agentId=b`)).body.code).toBe("LEASE_NOT_OWNER");
    expect((await server.ask("GET", path)).status).toBe(200);
  });

  test("abandon=true also ends an acquire that is still under way", async () => {
    expect((await server.ask("DELETE", `${path}?agentId=a&abandon=true`)).body).toEqual({
      result: "not-found",
    });
    expect((await acquire()).body).toMatchObject({ status: 410, how: "cancelled" });
  });

  test("force=true revokes at once, with graceMs softly", async () => {
    await acquire();
    const soft = await server.ask("DELETE", `${path}?force=true&by=admin&graceMs=60000`);
    expect(soft.body).toEqual({ result: "revoking" });
    expect((await server.ask("GET", path)).body.revoking).toMatchObject({ by: "admin", reason: null });
    const hard = await server.ask("DELETE", `${path}?force=true&by=admin`);
    expect(hard.body).toEqual({ result: "revoked" });
    expect((await server.ask("GET", path)).status).toBe(404);
    expect((await server.ask("DELETE", `${path}?force=true&by=admin`)).body).toEqual({ result: "not-found" });
  });
});

test("DELETE /v1/agents/{agentId}/leases revokes all of an agent's, whatever its name", async () => {
  const agentId = `ü/${"é".repeat(125)} ?`;
  for (const resource of ["a", "b"])
    await server.ask("POST", "/v1/leases", { agentId, resources: [resource] });
  await server.ask("POST", "/v1/leases", { agentId, resources: ["a"], wait: true });
  await acquire();
  const url = `/v1/agents/${encodeURIComponent(agentId)}/leases?by=admin&reason=gone`;
  const { status, body } = await server.ask("DELETE", url);
  expect([status, body.revoked.length]).toEqual([200, 3]);
  expect((await server.ask("DELETE", url)).body).toEqual({ revoked: [] });
  expect((await server.ask("GET", "/v1/leases")).body.leases).toMatchObject([{ id }]);
});

describe("GET", () => {
  test("one lease, or 404", async () => {
    expect((await server.ask("GET", path)).body).toMatchObject({ status: 404, code: "LEASE_NOT_FOUND" });
    const { body: lease } = await acquire();
    expect((await server.ask("GET", path)).body).toEqual({
      ...lease,
      expiresInMs: expect.any(Number),
      expiresAt: expect.any(String),
    });
  });

  test("all live leases, filtered and in pages", async () => {
    for (const resource of ["src/a", "src/b", "docs/a"]) {
      await server.ask("POST", "/v1/leases", { agentId: resource, resources: [resource] });
    }
    await server.ask("POST", "/v1/leases", { agentId: "w", resources: ["src/a"], wait: true });
    const list = async (query: string) => {
      const { body } = await server.ask("GET", `/v1/leases?${query}`);
      return body.leases.map(({ agentId }: { agentId: string }) => agentId);
    };
    expect(await list("")).toEqual(["src/a", "src/b", "docs/a", "w"]);
    expect(await list("state=pending")).toEqual(["w"]);
    expect(await list("state=active&resource=src/**")).toEqual(["src/a", "src/b"]);
    expect(await list("resource=src%2Fa")).toEqual(["src/a", "w"]);
    expect(await list("agentId=docs/a")).toEqual(["docs/a"]);

    const first = await server.ask("GET", "/v1/leases?limit=3");
    expect(first.body.leases).toHaveLength(3);
    expect(await list(`limit=3&after=${first.body.next}`)).toEqual(["w"]);
    expect((await server.ask("GET", `/v1/leases?limit=3&after=${first.body.next}`)).body.next).toBeNull();
  });
});

test("POST /v1/sweep ends what is past its time and prunes the history it is told to", async () => {
  await acquire({ ttlMs: 1_000 });
  await until(async () => (await server.backend.list({})).leases.length === 0);
  const swept = await server.ask("POST", "/v1/sweep");
  expect([swept.status, swept.body]).toEqual([
    200,
    { expired: [expect.objectContaining({ id, state: "expired" })], pruned: 0, more: false },
  ]);
  await new Promise((resolve) => setTimeout(resolve, 5));
  const pruned = await server.ask("POST", "/v1/sweep", { historyRetentionMs: 1 });
  expect(pruned.body).toEqual({ expired: [], pruned: 2, more: false });
});
