/** Every invalid argument: 400, INVALID_ARGUMENT, the field by the client's name for it, and nothing written. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId, startServer, type TestServer } from "./server.js";

let server: TestServer;
let history = 0;

beforeAll(async () => {
  server = await startServer();
  await server.ask("PUT", `/v1/leases/${held}`, { agentId: "a", resources: ["held"] });
  history = (await server.ask("GET", "/v1/history")).body.events.length;
});

afterAll(() => server.close());

const held = newId();
const tooDeep = JSON.parse(`${'{"a":'.repeat(17)}1${"}".repeat(17)}`);
const ok = { agentId: "a", resources: ["r"] };
const asks: [field: string, body: unknown][] = [
  ["body", ""],
  ["body", "{"],
  ["body", "[]"],
  ["body", '"text"'],
  ["body", "null"],
  ["agentId", { resources: ["r"] }],
  ["agentId", { ...ok, agentId: "" }],
  ["agentId", { ...ok, agentId: 7 }],
  ["agentId", { ...ok, agentId: null }],
  ["agentId", { ...ok, agentId: "new\nline" }],
  ["agentId", { ...ok, agentId: "é".repeat(129) }],
  ["agentId", { ...ok, agentId: "\ud800" }],
  ["resources", { agentId: "a" }],
  ["resources", { agentId: "a", resources: [] }],
  ["resources", { agentId: "a", resources: "r" }],
  ["resources", { agentId: "a", resources: Array.from({ length: 1001 }, (_, index) => `r${index}`) }],
  ["resources[0]", { agentId: "a", resources: [""] }],
  ["resources[0]", { agentId: "a", resources: [7] }],
  ["resources[0]", { agentId: "a", resources: ["./x.ts"] }],
  ["resources[1]", { agentId: "a", resources: ["x", "a/../b"] }],
  ["resources[0]", { agentId: "a", resources: ["src/*.ts"] }],
  ["resources[0]", { agentId: "a", resources: ["/abs"] }],
  ["resources[0]", { agentId: "a", resources: ["e\u0301"] }],
  ["resources[0]", { agentId: "a", resources: ["x".repeat(513)] }],
  ["resources[0]", { agentId: "a", resources: ["é".repeat(257)] }],
  ["resources[1]", { agentId: "a", resources: ["x", "x"] }],
  ["mode", { ...ok, mode: "write" }],
  ["mode", { ...ok, mode: null }],
  ["claims", { ...ok, claims: [{ resource: "r", mode: "shared" }] }],
  ["claims", { agentId: "a", claims: [] }],
  ["claims", { agentId: "a", claims: {} }],
  ["claims[0]", { agentId: "a", claims: ["r"] }],
  ["claims[0].mode", { agentId: "a", claims: [{ resource: "r" }] }],
  ["claims[0].mode", { agentId: "a", claims: [{ resource: "r", mode: "write" }] }],
  ["claims[0].more", { agentId: "a", claims: [{ resource: "r", mode: "shared", more: 1 }] }],
  ["claims[1].resource", { agentId: "a", claims: [claim("a"), claim("a//b")] }],
  ["claims[1].resource", { agentId: "a", claims: [claim("a"), claim("a")] }],
  ["mode", { agentId: "a", claims: [claim("a")], mode: "shared" }],
  ...["ttlMs", "waitTtlMs"].flatMap((field): [string, unknown][] =>
    [0, -1, 1.5, "30000", null, 1e12, true].map((value) => [field, { ...ok, [field]: value }]),
  ),
  ...[-1, 0.5, "5", null, 300_001].map((waitMs): [string, unknown] => ["waitMs", { ...ok, waitMs }]),
  ["wait", { ...ok, wait: "true" }],
  ["wait", { ...ok, wait: 1 }],
  ["waitMs", { ...ok, wait: true, waitMs: 5 }],
  ...[-1, 0.5, "3"].map((maxRenewals): [string, unknown] => ["maxRenewals", { ...ok, maxRenewals }]),
  ["holding", { ...ok, holding: "id" }],
  ["holding", { ...ok, holding: Array.from({ length: 1001 }, () => held) }],
  ["holding[0]", { ...ok, holding: ["no-uuid"] }],
  ["holding[0]", { ...ok, holding: [held.toUpperCase()] }],
  ["reason", { ...ok, reason: 7 }],
  ["reason", { ...ok, reason: "x".repeat(1025) }],
  ["reason", { ...ok, reason: "tab\there" }],
  ["metadata", { ...ok, metadata: [] }],
  ["metadata", { ...ok, metadata: "text" }],
  ["metadata", { ...ok, metadata: { text: "x".repeat(4096) } }],
  ["metadata", { ...ok, metadata: tooDeep }],
  ["waitMS", { ...ok, waitMS: 5 }],
];

function claim(resource: string) {
  return { resource, mode: "shared" };
}

async function refuses(field: string, method: string, path: string, body?: unknown): Promise<void> {
  const answer = await server.ask(method, path, body);
  expect(answer.body).toMatchObject({ status: 400, code: "INVALID_ARGUMENT", field });
  expect(answer.body.detail.startsWith(`${field} `), answer.body.detail).toBe(true);
  expect(answer.status).toBe(400);
  const { leases } = await server.backend.list({});
  expect(leases).toMatchObject([{ id: held, renewals: 0 }]);
  expect((await server.ask("GET", "/v1/history")).body.events).toHaveLength(history);
}

describe("acquire", () => {
  test.each(asks)("%s: %j", async (field, body) => {
    await refuses(field, "POST", "/v1/leases", body);
    await refuses(field, "PUT", `/v1/leases/${newId()}`, body);
  });

  test.each(["x", "%20", held.toUpperCase(), "0"])("id: %s", (id) =>
    refuses("id", "PUT", `/v1/leases/${id}`, ok),
  );

  test("id in the body of a POST", () => refuses("id", "POST", "/v1/leases", { ...ok, id: newId() }));
});

describe("renew", () => {
  test.each([
    ["agentId", {}],
    ["agentId", { agentId: "" }],
    ["token", { agentId: "a", token: 0 }],
    ["token", { agentId: "a", token: "5" }],
    ["token", { agentId: "a", token: 2 ** 53 }],
    ["ttlMs", { agentId: "a", ttlMs: 0 }],
    ["ttlMs", { agentId: "a", ttlMs: 1e12 }],
    ["renewal", { agentId: "a", renewal: 0 }],
    ["renewal", { agentId: "a", renewal: 1.5 }],
    ["ttl", { agentId: "a", ttl: 5 }],
    ["body", "{"],
  ])("%s: %j", (field, body) => refuses(field, "POST", `/v1/leases/${held}/renew`, body));

  test("id", () => refuses("id", "POST", "/v1/leases/x/renew", { agentId: "a" }));
});

describe("query and path", () => {
  test.each([
    ["agentId", "DELETE", `/v1/leases/${held}`],
    ["agentId", "DELETE", `/v1/leases/${held}?agentId=`],
    ["agentId", "DELETE", `/v1/leases/${held}?agentId=a&agentId=b`],
    ["id", "DELETE", "/v1/leases/x?agentId=a"],
    ["token", "DELETE", `/v1/leases/${held}?agentId=a&token=x`],
    ["token", "DELETE", `/v1/leases/${held}?agentId=a&abandon=true&token=5`],
    ["abandon", "DELETE", `/v1/leases/${held}?agentId=a&abandon=yes`],
    ["abandon", "DELETE", `/v1/leases/${held}?force=true&by=b&abandon=true`],
    ["agentId", "DELETE", `/v1/leases/${held}?force=true&by=b&agentId=a`],
    ["token", "DELETE", `/v1/leases/${held}?force=true&by=b&token=5`],
    ["by", "DELETE", `/v1/leases/${held}?force=true`],
    ["by", "DELETE", `/v1/leases/${held}?force=true&by=%0A`],
    ["by", "DELETE", `/v1/leases/${held}?agentId=a&by=b`],
    ["reason", "DELETE", `/v1/leases/${held}?agentId=a&reason=b`],
    ["reason", "DELETE", `/v1/leases/${held}?force=true&by=b&reason=${"x".repeat(1025)}`],
    ["graceMs", "DELETE", `/v1/leases/${held}?agentId=a&graceMs=5`],
    ["graceMs", "DELETE", `/v1/leases/${held}?force=true&by=b&graceMs=-1`],
    ["graceMs", "DELETE", `/v1/leases/${held}?force=true&by=b&graceMs=1.5`],
    ["graceMs", "DELETE", `/v1/leases/${held}?force=true&by=b&graceMs=1000000000000`],
    ["Force", "DELETE", `/v1/leases/${held}?agentId=a&Force=true`],
    ["by", "DELETE", "/v1/agents/a/leases"],
    ["by", "DELETE", "/v1/agents/a/leases?by=%00"],
    ["graceMs", "DELETE", "/v1/agents/a/leases?by=b&graceMs=x"],
    ["agentId", "DELETE", "/v1/agents/%0A/leases?by=b"],
    ["state", "GET", "/v1/leases?state=expired"],
    ["limit", "GET", "/v1/leases?limit=0"],
    ["limit", "GET", "/v1/leases?limit=1001"],
    ["limit", "GET", "/v1/leases?limit=1.5"],
    ["limit", "GET", "/v1/leases?limit="],
    ["limit", "GET", "/v1/leases?limit=x"],
    ["after", "GET", "/v1/leases?after=x"],
    ["resource", "GET", "/v1/leases?resource=../x"],
    ["resource", "GET", "/v1/leases?resource="],
    ["agentId", "GET", "/v1/leases?agentId="],
    ["agent", "GET", "/v1/leases?agent=a"],
    ["id", "GET", "/v1/leases/x"],
    ["timeoutMs", "GET", `/v1/leases/${held}/turn?timeoutMs=-1`],
    ["timeoutMs", "GET", `/v1/leases/${held}/turn?timeoutMs=300001`],
    ["id", "GET", "/v1/leases/x/turn"],
    ["types", "GET", "/v1/history?types=acquired,lost"],
    ["types", "GET", "/v1/history?types="],
    ["limit", "GET", "/v1/history?limit=0"],
    ["resource", "GET", "/v1/history?resource=a//b"],
    ["id", "GET", "/v1/history?id=x"],
    ["state", "GET", "/v1/history?state=active"],
    ["after", "GET", `/v1/history?after=${"x".repeat(201)}`],
    ["types", "GET", "/v1/events?types=lost"],
    ["limit", "GET", "/v1/events?limit=5"],
    ["url", "GET", "/v1/leases/%zz"],
  ])("%s: %s %s", (field, method, path) => refuses(field, method, path));
});

describe("sweep", () => {
  test.each([
    ["historyRetentionMs", { historyRetentionMs: -1 }],
    ["historyRetentionMs", { historyRetentionMs: "0" }],
    ["limit", { limit: 0 }],
    ["retention", { retention: 5 }],
    ["body", "[]"],
  ])("%s: %j", (field, body) => refuses(field, "POST", "/v1/sweep", body));
});
