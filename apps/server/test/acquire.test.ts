import { type LeaseBackend, LeaseError, memoryBackend } from "@lease/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { newId, startServer, type TestServer } from "./server.js";

let server: TestServer;

beforeEach(async () => {
  server = await startServer();
});

afterEach(() => server.close());

const mine = { agentId: "agent-7", resources: ["src/app.ts", "docs/**"] };
const theirs = { agentId: "agent-8", resources: ["docs/intro.md"] };

test("POST makes the id and answers 201 with the whole lease", async () => {
  const answer = await server.ask("POST", "/v1/leases", {
    ...mine,
    ttlMs: 60_000,
    maxRenewals: 3,
    reason: "rename",
    metadata: { pull: 12, tags: ["a", { deep: null }] },
  });
  expect(answer.status).toBe(201);
  expect(answer.headers.get("location")).toBe(`/v1/leases/${answer.body.id}`);
  expect(answer.body).toEqual({
    id: expect.stringMatching(/^[\da-f-]{36}$/),
    agentId: "agent-7",
    claims: [
      { resource: "src/app.ts", mode: "exclusive" },
      { resource: "docs/**", mode: "exclusive" },
    ],
    state: "active",
    token: expect.any(Number),
    ttlMs: 60_000,
    expiresInMs: 60_000,
    requestedAt: expect.any(String),
    acquiredAt: expect.any(String),
    expiresAt: expect.any(String),
    renewals: 0,
    maxRenewals: 3,
    holding: [],
    reason: "rename",
    metadata: { pull: 12, tags: ["a", { deep: null }] },
    revoking: null,
  });
});

test("PUT is idempotent by id: 201, then 200 with the same lease and token", async () => {
  const path = `/v1/leases/${newId()}`;
  const first = await server.ask("PUT", path, mine);
  const again = await server.ask("PUT", path, mine);
  expect([first.status, again.status]).toEqual([201, 200]);
  expect(again.body.token).toBe(first.body.token);
  expect(again.body.expiresInMs).toBeLessThanOrEqual(first.body.expiresInMs);
});

test("mode names the mode of all resources; claims mix modes", async () => {
  const shared = { resources: ["a"], mode: "shared" };
  expect((await server.ask("POST", "/v1/leases", { agentId: "r1", ...shared })).status).toBe(201);
  expect((await server.ask("POST", "/v1/leases", { agentId: "r2", ...shared })).status).toBe(201);
  const claims = [
    { resource: "a", mode: "shared" },
    { resource: "b", mode: "exclusive" },
  ];
  const mixed = await server.ask("POST", "/v1/leases", { agentId: "r3", claims });
  expect([mixed.status, mixed.body.claims]).toEqual([201, claims]);
});

test("a refusal says who holds it, why, for how long, and what to do next", async () => {
  const held = await server.ask("POST", "/v1/leases", { ...mine, ttlMs: 29_500, reason: "rename" });
  const refused = await server.ask("POST", "/v1/leases", theirs);
  expect(refused.status).toBe(409);
  expect(refused.headers.get("content-type")).toBe("application/problem+json");
  expect(refused.headers.get("retry-after")).toBe("30");
  expect(refused.body).toEqual({
    type: "urn:lease:error:LEASE_UNAVAILABLE",
    title: expect.any(String),
    status: 409,
    detail: expect.stringMatching(
      /^Not granted: "docs\/intro\.md"\. agent-7 holds "docs\/\*\*" exclusive \(reason: "rename"\), for another 29\.\d s unless renewed\. You would be number 2 in the queue\. Next: send waitMs to queue/,
    ),
    instance: "/v1/leases",
    code: "LEASE_UNAVAILABLE",
    blockers: [
      {
        id: held.body.id,
        agentId: "agent-7",
        resource: "docs/**",
        mode: "exclusive",
        state: "active",
        token: held.body.token,
        reason: "rename",
        expiresInMs: expect.any(Number),
      },
    ],
    blockerCount: 1,
    position: 2,
    retryInMs: expect.any(Number),
  });
  expect((await server.backend.list({})).leases).toHaveLength(1);
});

test("403 for the id of another agent, 410 for an id that ended by force, 400 for other claims", async () => {
  const path = `/v1/leases/${newId()}`;
  await server.ask("PUT", path, mine);
  expect((await server.ask("PUT", path, { ...mine, agentId: "agent-8" })).body).toMatchObject({
    status: 403,
    code: "LEASE_NOT_OWNER",
  });
  expect((await server.ask("PUT", path, { ...mine, resources: ["other"] })).body).toMatchObject({
    status: 400,
    code: "INVALID_ARGUMENT",
    field: "resources",
  });
  await server.ask("DELETE", `${path}?force=true&by=admin&reason=stuck`);
  for (const body of [mine, { ...mine, waitMs: 100 }, { ...mine, wait: true }]) {
    expect((await server.ask("PUT", path, body)).body).toMatchObject({
      status: 410,
      code: "LEASE_LOST",
      how: "revoked",
      by: "admin",
      reason: "stuck",
    });
  }
});

describe("what a store can say", () => {
  /** A server whose store answers the next acquire with an error. */
  async function failing(error: LeaseError): Promise<TestServer> {
    const backend: LeaseBackend = { ...memoryBackend(), acquire: () => Promise.reject(error) };
    return startServer({ backend });
  }

  test.each([
    ["BACKEND_UNAVAILABLE", 503, "1"],
    ["OUTCOME_UNKNOWN", 503, "1"],
    ["BACKEND_FULL", 507, null],
    ["BACKEND_CORRUPT", 500, null],
    ["BACKEND_INCOMPATIBLE", 500, null],
    ["CLOSED", 503, "1"],
  ] as const)("%s is %i", async (code, status, retryAfter) => {
    const broken = await failing(new LeaseError(code, "What happened."));
    const answer = await broken.ask("POST", "/v1/leases", mine);
    expect([answer.status, answer.body.code, answer.body.detail]).toEqual([status, code, "What happened."]);
    expect(answer.headers.get("retry-after")).toBe(retryAfter);
    await broken.close();
  });

  test("an outcome that is not known names the id, which can then be asked again", async () => {
    const backend = memoryBackend();
    let lost = 0;
    const losing: LeaseBackend = {
      ...backend,
      async acquire(request) {
        const result = await backend.acquire(request);
        if (lost++ > 0) return result;
        throw new LeaseError("OUTCOME_UNKNOWN", "The reply was lost.");
      },
    };
    const other = await startServer({ backend: losing });
    const answer = await other.ask("POST", "/v1/leases", mine);
    expect(answer.body.code).toBe("OUTCOME_UNKNOWN");
    const path = answer.headers.get("location") ?? "";
    expect((await other.ask("PUT", path, mine)).status).toBe(200);
    await other.close();
  });

  test("an error that is not ours tells nothing of itself", async () => {
    const broken = await startServer({
      backend: { ...memoryBackend(), list: () => Promise.reject(new Error("password=tr0ub4dor")) },
    });
    const answer = await broken.ask("GET", "/v1/leases");
    expect(answer.status).toBe(500);
    expect(answer.body.code).toBe("INTERNAL");
    expect(JSON.stringify(answer.body)).not.toContain("tr0ub4dor");
    await broken.close();
  });
});
