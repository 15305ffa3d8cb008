/** The README's curl examples, run as they stand against a server; and its tables, held to the code. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PROBLEM_CODES } from "../src/problems.js";
import { newId, startServer, type TestServer } from "./server.js";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(() => server.close());

test("the curl examples do what they say", async () => {
  const [, script = ""] = /^```sh\n(.*?)^```/ms.exec(readme) ?? [];
  // Each answer on a line of its own, and a failed request is a failed script.
  const traced = script
    .replaceAll("localhost:5327", server.url)
    .replaceAll("curl -s", "curl -w '\\n' --fail-with-body -s");
  const { stdout, stderr } = await promisify(execFile)("bash", ["--norc", "-euo", "pipefail", "-c", traced]);
  expect(stderr).toBe("");
  const [acquired, put, renewed, released, below, history, ...rest] = stdout.trim().split("\n");
  expect(JSON.parse(acquired ?? "")).toMatchObject({ agentId: "agent-7", state: "active", ttlMs: 60_000 });
  expect(JSON.parse(put ?? "")).toMatchObject({ claims: [{ resource: "job:42" }], renewals: 0 });
  expect(JSON.parse(renewed ?? "")).toMatchObject({ renewals: 1 });
  expect(JSON.parse(released ?? "")).toEqual({ result: "released" });
  expect(JSON.parse(below ?? "").leases).toHaveLength(1);
  expect(JSON.parse(history ?? "").events).toHaveLength(4);
  expect(rest.filter((line) => line.startsWith("event: "))).toHaveLength(4);
  expect(JSON.parse(rest.at(-2) ?? "")).toEqual({ result: "not-found" });
  expect(JSON.parse(rest.at(-1) ?? "").revoked).toHaveLength(1);
});

test("the renewals do what they say", async () => {
  const [, script = ""] = /^## Renewing\n.*?^```sh\n(.*?)^```/ms.exec(readme) ?? [];
  const lease = `${server.url}/v1/leases/${newId()}`;
  const body = JSON.stringify({ agentId: "agent-7", resources: ["job:43"] });
  await fetch(lease, { method: "PUT", headers: { "content-type": "application/json" }, body });
  const traced = script.replaceAll("curl -s", "curl -w ' %{http_code}\\n' -s").replaceAll("$lease", lease);
  const { stdout } = await promisify(execFile)("bash", ["--norc", "-euo", "pipefail", "-c", traced]);
  const said = stdout
    .trim()
    .split("\n")
    .map((line) => {
      const [, answer = "", status] = /^(.*) (\d+)$/.exec(line) ?? [];
      const { renewals, repeated, code, detail } = JSON.parse(answer);
      return { status, renewals, repeated, code, detail };
    });
  expect(said).toMatchObject([
    { status: "200", renewals: 1, repeated: false },
    { status: "200", renewals: 1, repeated: true },
    {
      status: "409",
      renewals: 1,
      code: "RENEWAL_OUT_OF_ORDER",
      detail: expect.stringMatching(/Next: send renewal 2\.$/),
    },
    { status: "200", renewals: 2, repeated: false },
  ]);
});

test("the table of errors names every code that a client can meet", () => {
  const section = readme.split("\n## Errors\n")[1]?.split("\n## ")[0] ?? "";
  // The receiver of a token is another program; who hung up reads no answer; what is no HTTP has no code to look up.
  const unseen = ["FENCED", "CLIENT_GONE", "MALFORMED_REQUEST"];
  for (const code of PROBLEM_CODES) {
    if (!unseen.includes(code)) expect(section).toContain(`\`${code}\``);
  }
});
