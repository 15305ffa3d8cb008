/**
 * `docs/patterns.md`: every program in it compiles under strict, runs on SQLite and on Redis, prints what the document
 * says that it prints, and leaves no lease behind.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openBackend } from "@lease/connect";
import { type RedisServer, startRedis } from "@lease/test-servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Examples, readDocument, writeExamples } from "./examples.js";

interface Program {
  /** `4-deadlocks`, or with a second program of the section `4-deadlocks-2`. */
  readonly name: string;
  readonly code: string;
  readonly prints: string;
}

const TITLES = [
  "Agent-based lease management",
  "Background renewal",
  "Automatic cleanup",
  "Deadlock detection and prevention",
  "Many files at once",
  "Event notifications",
  "Metrics",
  "Graceful shutdown",
  "Adaptive TTL",
  "Many machines",
];

const document = readDocument("docs/patterns.md");
const programs = programsOf(document);
let examples: Examples;
let redis: RedisServer;

beforeAll(async () => {
  examples = writeExamples(Object.fromEntries(programs.map(({ name, code }) => [`${name}.ts`, code])));
  redis = await startRedis();
});

afterAll(async () => {
  examples.remove();
  await redis?.stop();
});

test("the patterns of the seed are all there, in order, each with a program", () => {
  const titles = [...document.matchAll(/^## (\d+)\. (.*)$/gm)].map(([, number, title]) => [
    Number(number),
    title,
  ]);
  expect(titles).toEqual(TITLES.map((title, index) => [index + 1, title]));
  expect(new Set(programs.map(({ name }) => Number.parseInt(name, 10))).size).toBe(TITLES.length);
  expect(programs).toHaveLength(document.match(/^```ts$/gm)?.length ?? 0);
});

test("all compile under strict", async () => {
  expect(await examples.compile()).toBe("");
});

describe.each([
  ["SQLite", () => "sqlite:leases.db"],
  ["Redis", (name: string) => `${redis.url}/0?namespace=${name}`],
] as const)("on %s", (store, urlFor) => {
  test.concurrent.each(programs)("$name", async ({ name, prints }) => {
    const cwd = `${store}-${name}`;
    const url = urlFor(name);
    const { stdout, stderr } = await examples.run(`${name}.ts`, { cwd, env: { LEASE_BACKEND: url } });
    expect({ stdout, stderr }).toEqual({ stdout: prints, stderr: "" });

    const here = url.replace("sqlite:", `sqlite:${join(examples.folder, cwd)}/`);
    const backend = await openBackend(here);
    const { leases } = await backend.list({});
    const { value: first } = await backend.changes({})[Symbol.asyncIterator]().next();
    await backend.close();
    expect(leases).toEqual([]);
    // So that it was this store that it used.
    expect(first).toBeDefined();
    if (name.startsWith("6-")) checkAudit(join(examples.folder, cwd, "audit.ndjson"));
  });
});

/** Each line is a CloudEvent. */
function checkAudit(path: string): void {
  const lines = readFileSync(path, "utf8").trim().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { specversion: "1.0", type: "dev.lease.acquired", subject: "src/app.ts" },
    { specversion: "1.0", type: "dev.lease.released", subject: "src/app.ts" },
  ]);
}

/** The TypeScript blocks, each with the text block behind it: what it prints. */
function programsOf(text: string): Program[] {
  return text.split(/^## (?=\d+\. )/m).flatMap((section) => {
    const [number] = section.split(".", 1);
    return [...section.matchAll(/^```ts\n(.*?)^```\n+^```text\n(.*?)^```/gms)].map(
      ([, code, prints], index) => ({
        name: `${number}-${index + 1}`,
        code: code as string,
        prints: prints as string,
      }),
    );
  });
}
