/** `/openapi.json` is valid, whole, and true: answers are held to the schemas that it shows. */
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, newId, startServer, type TestServer } from "./server.js";

let server: TestServer;
// biome-ignore lint/suspicious/noExplicitAny: a document whose shape is what the test is about
let document: any;

beforeAll(async () => {
  server = await startServer();
  document = (await server.ask("GET", "/openapi.json")).body;
});

afterAll(() => server.close());

test("is valid OpenAPI 3.1", async () => {
  expect(document.openapi).toBe("3.1.0");
  expect(await new Validator().validate(structuredClone(document))).toEqual({ valid: true });
});

test("has every route, each with what it answers", () => {
  const routes = Object.entries<object>(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  expect(routes.filter((route) => !route.startsWith("head ")).sort()).toEqual(
    [
      "post /v1/leases",
      "put /v1/leases/{id}",
      "get /v1/leases",
      "get /v1/leases/{id}",
      "delete /v1/leases/{id}",
      "get /v1/leases/{id}/turn",
      "post /v1/leases/{id}/renew",
      "delete /v1/agents/{agentId}/leases",
      "get /v1/history",
      "get /v1/events",
      "post /v1/sweep",
      "get /v1/limits",
      "post /v1/steps/acquire",
      "post /v1/steps/renew",
      "post /v1/steps/release",
      "post /v1/steps/list",
      "post /v1/steps/changes",
      "post /v1/steps/turns",
      "get /metrics",
      "get /healthz",
      "get /readyz",
    ].sort(),
  );
});

test("every answer is as it says, and has nothing that it does not say", async () => {
  const ajv = new Ajv2020({ strict: false, formats: { uuid: true, "uri-reference": true } });
  ajv.addSchema({ $id: "doc", ...closed(document) });
  const holder = newId();
  const body = { agentId: "a", resources: ["r"], metadata: { any: ["thing"] }, reason: "why" };
  const ticket = newId();

  async function holds(
    template: string,
    method: string,
    path: string,
    status: number,
    sent?: unknown,
  ): Promise<Answer> {
    const answer = await server.ask(method, path, sent);
    expect([method, path, answer.status]).toEqual([method, path, status]);
    const pointer = ["paths", template, method.toLowerCase(), "responses", String(status), "content"];
    const [type] = Object.keys(pointer.reduce((node, key) => node[key], document));
    expect(answer.headers.get("content-type")).toContain(type);
    const at = [...pointer, type ?? "", "schema"].map((key) =>
      encodeURIComponent(key.replaceAll("~", "~0").replaceAll("/", "~1")),
    );
    const validate = ajv.compile({ $ref: `doc#/${at.join("/")}` });
    expect(validate(answer.body), ajv.errorsText(validate.errors)).toBe(true);
    return answer;
  }

  const one = "/v1/leases/{id}";
  await holds(one, "PUT", `/v1/leases/${holder}`, 201, body);
  await holds(one, "PUT", `/v1/leases/${holder}`, 200, body);
  await holds("/v1/leases", "POST", "/v1/leases", 409, { ...body, agentId: "b" });
  await holds("/v1/leases", "POST", "/v1/leases", 400, {});
  await holds(one, "PUT", `/v1/leases/${ticket}`, 202, { ...body, agentId: "b", wait: true });
  await holds(one, "PUT", `/v1/leases/${ticket}`, 403, { ...body, agentId: "c" });
  await holds(one, "GET", `/v1/leases/${holder}`, 200);
  await holds(one, "GET", `/v1/leases/${newId()}`, 404);
  await holds("/v1/leases", "GET", "/v1/leases", 200);
  await holds(`${one}/turn`, "GET", `/v1/leases/${ticket}/turn?timeoutMs=1`, 200);
  await holds(`${one}/renew`, "POST", `/v1/leases/${holder}/renew`, 200, { agentId: "a", renewal: 1 });
  await holds(`${one}/renew`, "POST", `/v1/leases/${holder}/renew`, 200, { agentId: "a", renewal: 1 });
  await holds(`${one}/renew`, "POST", `/v1/leases/${holder}/renew`, 409, { agentId: "a", renewal: 9 });
  await holds(`${one}/renew`, "POST", `/v1/leases/${newId()}/renew`, 404, { agentId: "a" });
  await holds(one, "DELETE", `/v1/leases/${holder}?force=true&by=admin&graceMs=60000`, 200);
  await holds(one, "GET", `/v1/leases/${holder}`, 200);
  await holds("/v1/agents/{agentId}/leases", "DELETE", "/v1/agents/a/leases?by=admin", 200);
  await holds(`${one}/renew`, "POST", `/v1/leases/${holder}/renew`, 410, { agentId: "a" });
  await holds("/v1/history", "GET", "/v1/history", 200);
  await holds("/v1/history", "GET", "/v1/history?after=another.1", 410);
  const step = (name: string, sent: unknown, status = 200) =>
    holds(`/v1/steps/${name}`, "POST", `/v1/steps/${name}`, status, sent);
  const asked = { maxRenewals: null, waitTtlMs: 1000, holding: [], reason: null, metadata: null };
  const claims = [{ resource: "step", mode: "exclusive" }];
  const asking = { id: newId(), agentId: "a", claims, ttlMs: 60_000, wait: "no", ...asked };
  await holds("/v1/limits", "GET", "/v1/limits", 200);
  const mixed = await step("acquire", {
    requests: [asking, { ...asking, ttlMs: -1 }, { ...asking, agentId: "b" }],
  });
  expect(mixed.body.results).toMatchObject([
    { status: "granted" },
    { error: { code: "INVALID_ARGUMENT", field: "ttlMs" } },
    { error: { code: "LEASE_NOT_OWNER" } },
  ]);
  await step("acquire", { requests: [] }, 400);
  await step("renew", { requests: [{ id: asking.id, agentId: "a" }] });
  await step("list", { ids: [] });
  await step("changes", { ids: [asking.id] });
  await step("changes", { after: "another.1" }, 410);
  const turns = await fetch(`${server.url}/v1/steps/turns`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ids: [asking.id], timeoutMs: 1000 }),
  });
  expect(turns.headers.get("content-type")).toContain("application/x-ndjson");
  expect(JSON.parse(await turns.text())).toEqual({ id: asking.id });
  await step("release", { requests: [{ kind: "release", id: asking.id, agentId: "a" }] });
  await holds("/v1/sweep", "POST", "/v1/sweep", 200);
  await holds("/healthz", "GET", "/healthz", 200);
  await holds("/readyz", "GET", "/readyz", 200);
});

/** The same document with every object that lists its members allowing no others. */
function closed(node: unknown): object {
  return JSON.parse(
    JSON.stringify(node, (_, value) =>
      value?.type === "object" && value.properties !== undefined
        ? { additionalProperties: false, ...value }
        : value,
    ),
  );
}
