/** `wait: true`: a place in line that outlives any one call. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { newId, startServer, type TestServer } from "./server.js";

let server: TestServer;
const holder = newId();
const ticket = newId();
const question = { agentId: "b", resources: ["r"], wait: true, waitTtlMs: 300_000 };

beforeEach(async () => {
  server = await startServer();
  await server.ask("PUT", `/v1/leases/${holder}`, {
    agentId: "a",
    resources: ["r"],
    reason: "build",
    ttlMs: 300_000,
  });
});

afterEach(() => server.close());

const letGo = () => server.ask("DELETE", `/v1/leases/${holder}?agentId=a`);
const ask = () => server.ask("PUT", `/v1/leases/${ticket}`, question);

test("202 with the pending lease, its position and blockers; the same PUT asks again; 201 at its turn, then 200", async () => {
  const first = await ask();
  expect(first.status).toBe(202);
  expect(first.headers.get("location")).toBe(`/v1/leases/${ticket}`);
  expect(first.body).toMatchObject({
    id: ticket,
    state: "pending",
    acquiredAt: null,
    expiresInMs: 300_000,
    position: 2,
    blockerCount: 1,
    blockers: [{ id: holder, agentId: "a", reason: "build" }],
    detail: expect.stringMatching(/^Queued at position 2\. Next: repeat this PUT within 300000 ms/),
  });
  const again = await ask();
  expect([again.status, again.body.token, again.body.expiresInMs]).toEqual([202, first.body.token, 300_000]);

  await letGo();
  const granted = await ask();
  expect([granted.status, granted.body.state, granted.body.token]).toEqual([201, "active", first.body.token]);
  expect((await ask()).status).toBe(200);
});

test("POST gives a ticket too; DELETE gives it back", async () => {
  const { status, body } = await server.ask("POST", "/v1/leases", question);
  expect(status).toBe(202);
  const left = await server.ask("DELETE", `/v1/leases/${body.id}?agentId=b`);
  expect(left.body).toEqual({ result: "cancelled" });
});

test("a ticket that nobody asks for any more does not hold up the line", async () => {
  await server.ask("PUT", `/v1/leases/${ticket}`, { ...question, waitTtlMs: 50 });
  await letGo();
  const next = await server.ask("POST", "/v1/leases", { agentId: "c", resources: ["r"], waitMs: 300_000 });
  expect(next.status).toBe(201);
  expect((await ask()).body).toMatchObject({ status: 410, code: "LEASE_LOST", how: "expired" });
});

test("turn answers when the ticket's turn may have come, after timeoutMs, and at once for what is not pending", async () => {
  await ask();
  const path = `/v1/leases/${ticket}/turn`;
  const late = await server.ask("GET", `${path}?timeoutMs=50`);
  expect([late.status, late.body.id]).toEqual([200, ticket]);
  expect(late.body.waitedMs).toBeGreaterThanOrEqual(45);

  // For longer than this test may take: who is not called fails it.
  const turn = server.ask("GET", `${path}?timeoutMs=300000`);
  await letGo();
  expect((await turn).status).toBe(200);
  expect((await ask()).status).toBe(201);
  for (const id of [ticket, newId()]) {
    expect((await server.ask("GET", `/v1/leases/${id}/turn?timeoutMs=300000`)).status).toBe(200);
  }
});

test.each([{ wait: true }, { waitMs: 300_000 }])(
  "%j: a circle of waits is refused, spelled out, and left",
  async (how) => {
    const other = newId();
    await server.ask("PUT", `/v1/leases/${other}`, { agentId: "b", resources: ["s"] });
    const waiting = { agentId: "b", resources: ["r"], holding: [other], wait: true };
    expect((await server.ask("PUT", `/v1/leases/${ticket}`, waiting)).status).toBe(202);

    const closing = await server.ask("POST", "/v1/leases", {
      agentId: "a",
      resources: ["s"],
      holding: [holder],
      ...how,
    });
    expect(closing.body).toMatchObject({ status: 409, code: "LEASE_DEADLOCK" });
    expect(closing.body.detail).toContain("release what you hold, then ask for all of it in one request");
    expect(closing.body.cycle).toEqual([
      expect.objectContaining({ agentId: "a", resources: ["s"], blockedById: other }),
      expect.objectContaining({ waitingId: ticket, agentId: "b", resources: ["r"], blockedById: holder }),
    ]);
    const { leases } = await server.backend.list({ state: "pending" });
    expect(leases.map(({ id }) => id)).toEqual([ticket]);
  },
);
