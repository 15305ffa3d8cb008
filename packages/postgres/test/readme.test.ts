/** The README's first example runs as it stands there, and its table of options is that of the types. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { useServer } from "./helpers.js";

// As a server is by default: what it answers is on the disk.
const server = useServer({ settings: { fsync: "on" } });
const here = fileURLToPath(new URL("..", import.meta.url));
const readme = readFileSync(join(here, "README.md"), "utf8");

test("the example holds a lease and ends by itself", async () => {
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const folder = mkdtempSync(join(here, "test", "example-"));
  try {
    const file = join(folder, "example.ts");
    writeFileSync(file, example.replace("postgres://localhost:5432/app", server().url));
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [
      "--unhandled-rejections=strict",
      "--no-warnings",
      file,
    ]);
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^held with fencing token \d{16}\n$/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the options are those of the types", () => {
  const source = readFileSync(join(here, "src/options.ts"), "utf8");
  const declared = /interface PostgresBackendOptions \{([\s\S]*?)\n\}/.exec(source)?.[1] ?? "";
  const names = [...declared.matchAll(/readonly (\w+)\?:/g)].map(([, name]) => name);
  const section = readme.split("\n## Options\n")[1]?.split("\n## ")[0] ?? "";
  expect([...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name)).toEqual(names);
});
