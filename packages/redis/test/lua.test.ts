/** The scripts as Lua: each file parses by itself, and what the files make together is clean. */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { findLuacheck } from "@lease/test-servers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { load, type Source } from "../src/scripts/load.js";

const SCRIPTS = join(import.meta.dirname, "../src/scripts");
const WHOLE: readonly Source[] = ["step", "list", "scan", "tidy", "history", "prune"];

const run = promisify(execFile);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lease-lua-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What luacheck finds, a line each. */
async function luacheck(...args: string[]): Promise<string> {
  const { path, env } = await findLuacheck();
  const all = ["--std", "lua51", "--formatter", "plain", "--codes", "--no-config", "--no-cache", ...args];
  return run(path, all, { env: { ...process.env, ...env }, cwd: folder }).then(
    ({ stdout }) => stdout.trim(),
    ({ stdout, stderr }) => String(stdout || stderr).trim(),
  );
}

test("luacheck finds nothing in the scripts as they are sent", async () => {
  await Promise.all(WHOLE.map((name) => writeFile(join(folder, `${name}.lua`), load(name).text)));
  // Not every script needs all that every script begins with.
  const begun = ["hash", "index", "history", "byte", "read", "sub", "now", "in_parts", "agent_of"].map(
    (name) => `211/^${name}$`,
  );
  const found = await luacheck(
    ...["--read-globals", "redis", "struct", "KEYS", "ARGV", "--ignore", ...begun],
    ...["--", ...WHOLE.map((name) => `${name}.lua`)],
  );
  expect(found).toBe("");
});

test("each file parses by itself, and shadows nothing", async () => {
  const files = (await readdir(SCRIPTS, { recursive: true })).filter((name) => name.endsWith(".lua"));
  expect(files.length).toBeGreaterThan(20);
  // What one file makes another uses, and where one is included a branch looks empty.
  const here = ["--no-global", "--no-unused", "--ignore", "542"];
  const found = await luacheck(...here, "--", ...files.map((name) => join(SCRIPTS, name)));
  expect(found).toBe("");
});

test("luacheck finds what is wrong", async () => {
  await writeFile(join(folder, "wrong.lua"), "local unused = 1\nreturn missing\n");
  expect(await luacheck("--", "wrong.lua")).toMatch(/unused variable[\s\S]*undefined variable/);
});

test("no script has the place of a byte or the code of a letter as a number", async () => {
  const files = (await readdir(SCRIPTS, { recursive: true })).filter((name) => name.endsWith(".lua"));
  for (const name of files) {
    const text = (await readFile(join(SCRIPTS, name), "utf8")).replace(/--.*/g, "");
    const numbers = [
      ...text.matchAll(/(?:byte\(.*?\) [=~]= |'>[^']*', \w+, |\b(?:sub|byte)\(\w+, )(\d\d+)/g),
    ];
    expect(numbers.map(([found]) => `${name}: ${found}`)).toEqual([]);
  }
});
