/** An old Node gets one sentence that says so, and nothing native is loaded. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { expect, test } from "vitest";

const folder = fileURLToPath(new URL("..", import.meta.url));

/** Asks the built package for a list, and prints the code and the sentence of the error. */
const asCommonJs = `
  const { sqliteBackend } = require("@lease/sqlite");
  sqliteBackend({ path: "never.db" }).list({}).then(
    () => console.log("an answer"),
    (error) => console.log(error.code + ": " + error.message),
  ).finally(() => console.log(process.report.getReport().sharedObjects.some((name) => name.includes("sqlite"))));
`;
const asModule = `
  import { sqliteBackend } from "@lease/sqlite";
  await sqliteBackend({ path: "never.db" }).list({}).then(
    () => console.log("an answer"),
    (error) => console.log(error.code + ": " + error.message),
  );
`;

function run(node: string, kind: "commonjs" | "module", code: string): string {
  return execFileSync(node, [`--input-type=${kind}`, "--eval", code], { cwd: folder, encoding: "utf8" });
}

test("the driver's binary loads on the workspace's Node", () => {
  const db = new Database(":memory:");
  expect(db.prepare("SELECT 1 AS one").get()).toEqual({ one: 1 });
  db.close();
});

test.each(["20.19.0", "18.0.0"])(
  "a Node that says it is %s is refused before the binary is loaded",
  (version) => {
    const pretend = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } });`;
    const output = run(process.execPath, "commonjs", pretend + asCommonJs);
    expect(output).toBe(
      `BACKEND_INCOMPATIBLE: The SQLite backend needs Node 22 or newer, this is Node ${version}: update Node.\nfalse\n`,
    );
  },
);

test("a Node that really is too old is refused, from both kinds of module", ({ skip }) => {
  const old = oldNode();
  if (old === undefined) skip("no Node older than 22 on this machine");
  for (const output of [run(old as string, "commonjs", asCommonJs), run(old as string, "module", asModule)]) {
    expect(output).toMatch(/^BACKEND_INCOMPATIBLE: The SQLite backend needs Node 22 or newer/);
  }
});

test("the built package works from both kinds of module", () => {
  const use = (load: string) => `${load}
    const { mkdtempSync, rmSync } = await import("node:fs");
    const path = mkdtempSync("/tmp/lease-driver-");
    const backend = sqliteBackend({ path: path + "/leases.db" });
    console.log((await backend.list({})).leases.length);
    await backend.close();
    rmSync(path, { recursive: true });`;
  expect(run(process.execPath, "module", use('import { sqliteBackend } from "@lease/sqlite";'))).toBe("0\n");
  const inFunction = `(async () => { ${use('const { sqliteBackend } = require("@lease/sqlite");')} })()`;
  expect(run(process.execPath, "commonjs", inFunction)).toBe("0\n");
  expect(createRequire(import.meta.url).resolve("@lease/sqlite")).toMatch(/\.cjs$/);
});

/** The first `node` on the PATH, or in the usual places, that is older than 22. */
function oldNode(): string | undefined {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/bin", "/usr/local/bin"];
  return folders
    .map((name) => join(name, "node"))
    .filter((node) => existsSync(node))
    .find((node) => {
      const version = execFileSync(node, ["-p", "process.versions.node"], { encoding: "utf8" });
      return Number.parseInt(version, 10) < 22;
    });
}
