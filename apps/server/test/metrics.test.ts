/** What Prometheus is told. The names are those of `@lease/metrics`, which has tests of its own. */
import { afterEach, expect, test } from "vitest";
import { newId, startServer, type TestServer } from "./server.js";

let server: TestServer;

afterEach(() => server.close());

/** The samples of a scrape, by name and labels. */
async function scrape(headers: Record<string, string> = {}): Promise<Map<string, number>> {
  const response = await fetch(`${server.url}/metrics`, { headers });
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const samples = (await response.text()).split("\n").filter((line) => /^[a-z]/.test(line));
  return new Map(samples.map((line) => [line.replace(/ \S+$/, ""), Number(line.split(" ").at(-1))]));
}

test("every series is there before anybody asked for anything", async () => {
  server = await startServer();
  const samples = await scrape();
  for (const name of [
    'lease_acquires_total{backend="memory",result="granted"}',
    'lease_conflicts_total{backend="memory"}',
    'lease_renewals_total{backend="memory",result="renewed"}',
    'lease_live_leases{backend="memory",state="pending",mode="shared"}',
    'lease_backend_errors_total{backend="memory",operation="acquire",code="BACKEND_FULL"}',
  ]) {
    expect([name, samples.get(name)]).toEqual([name, 0]);
  }
});

test("requests of clients are counted, by every route", async () => {
  server = await startServer();
  const path = `/v1/leases/${newId()}`;
  await server.ask("PUT", path, { agentId: "a", resources: ["r"] });
  await server.ask("POST", "/v1/leases", { agentId: "b", resources: ["r"] });
  await server.ask("POST", "/v1/leases", { agentId: "c", resources: ["r"], waitMs: 20 });
  await server.ask("PUT", `/v1/leases/${newId()}`, { agentId: "d", resources: ["r"], wait: true });
  await server.ask("POST", `${path}/renew`, { agentId: "a" });
  await server.ask("DELETE", `${path}?agentId=a`);
  const samples = await scrape();
  expect(samples.get('lease_acquires_total{backend="memory",result="granted"}')).toBe(1);
  expect(samples.get('lease_conflicts_total{backend="memory"}')).toBe(3);
  expect(samples.get('lease_renewals_total{backend="memory",result="renewed"}')).toBe(1);
  expect(samples.get('lease_releases_total{backend="memory",result="released"}')).toBe(1);
  expect(samples.get('lease_live_leases{backend="memory",state="pending",mode="exclusive"}')).toBe(1);
  expect([...samples.keys()].join()).not.toMatch(/"[abcdr]"/);
});

test("with a token it wants the token", async () => {
  server = await startServer({ token: "tr0ub4dor" });
  expect((await server.ask("GET", "/metrics")).body).toMatchObject({ status: 401, code: "UNAUTHORIZED" });
  expect((await scrape({ authorization: "Bearer tr0ub4dor" })).size).toBeGreaterThan(100);
});

test("the OpenAPI document has it, with its type", async () => {
  server = await startServer();
  const { paths } = (await server.ask("GET", "/openapi.json")).body;
  expect(Object.keys(paths["/metrics"].get.responses["200"].content)).toEqual([
    "text/plain; version=0.0.4; charset=utf-8",
  ]);
  expect((await server.ask("POST", "/metrics")).headers.get("allow")).toBe("GET, HEAD");
});
