/** The built package, as ESM and as CommonJS, in a folder where no backend is installed. */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

const packages = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);
let folder: string;

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "lease-connect-")));
  const scope = join(folder, "node_modules/@lease");
  mkdirSync(join(scope, "connect"), { recursive: true });
  // Copied, not linked: from its real folder it would find the workspace's @lease/sqlite.
  for (const part of ["package.json", "dist"]) {
    cpSync(join(packages, "connect", part), join(scope, "connect", part), { recursive: true });
  }
  symlinkSync(join(packages, "core"), join(scope, "core"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const program = `
  const memory = await openBackend("memory:");
  await memory.close();
  await openBackend("sqlite:leases.db").catch((error) => console.log(memory.kind, error.code, error.message));
`;

test.each([
  ["ESM", ["--input-type=module", "-e", `import { openBackend } from "@lease/connect"; ${program}`]],
  [
    "CommonJS",
    [
      "--input-type=commonjs",
      "-e",
      `const { openBackend } = require("@lease/connect"); (async () => {${program}})();`,
    ],
  ],
])("%s: memory: works, sqlite: says what to install", async (_, args) => {
  // pnpm's shims point NODE_PATH, which CommonJS follows, at every package of the workspace.
  const env = { ...process.env, NODE_PATH: "" };
  const { stdout, stderr } = await run(process.execPath, args, { cwd: folder, env });
  expect(stderr).toBe("");
  expect(stdout.trim()).toBe(
    "memory BACKEND_INCOMPATIBLE A sqlite: URL needs the package @lease/sqlite, which is not installed. Next: npm install @lease/sqlite",
  );
});
