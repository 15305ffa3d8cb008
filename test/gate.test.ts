/** What the gate prints at its end, and which files are in it. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

test("a run ends with the seconds of each project, then the one line that sums it up", async () => {
  const { code, stdout } = await runVitest({
    "one/a.test.js": `import { test } from "vitest"; test("passes", () => {}); test.skip("waits", () => {});`,
    "two/b.test.js": `import { test } from "vitest"; test("slow", () => new Promise((done) => setTimeout(done, 300)));`,
    "two/c.test.js": `import { test } from "vitest"; test("fails", () => { throw new Error("no"); });`,
  });
  const lines = stdout.trimEnd().split("\n");
  expect(code).toBe(1);
  expect(lines.at(-1)).toBe("2 passed, 1 failed, 1 skipped");
  const table = lines.slice(
    lines.findIndex((line) => line.startsWith("project ")),
    -2,
  );
  expect(table[0]?.split(/ +/)).toEqual(["project", "files", "seconds"]);
  const rows = table.slice(1).map((line) => line.split(/ +/));
  expect(rows.map(([name, files]) => [name, files]).sort()).toEqual([
    ["one", "1"],
    ["two", "2"],
  ]);
  const two = rows.find(([name]) => name === "two");
  expect(Number(two?.[2])).toBeGreaterThanOrEqual(0.3);
});

/** Runs vitest with the gate's reporter over projects named by their folders. */
async function runVitest(files: Readonly<Record<string, string>>): Promise<{ code: number; stdout: string }> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "lease-gate-")));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  for (const [name, code] of Object.entries(files)) {
    mkdirSync(join(folder, dirname(name)), { recursive: true });
    writeFileSync(join(folder, name), code);
  }
  const names = new Set(Object.keys(files).map((name) => dirname(name)));
  const projects = [...names].map((name) => ({ test: { name, root: join(folder, name) } }));
  const reporters = ["default", join(root, "scripts/last-line-reporter.ts")];
  writeFileSync(
    join(folder, "vitest.config.mjs"),
    `export default ${JSON.stringify({ test: { projects, reporters } })}`,
  );
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  return promisify(execFile)(process.execPath, [vitest, "run"], { cwd: folder }).then(
    ({ stdout }) => ({ code: 0, stdout }),
    (error: { code: number; stdout: string }) => ({ code: error.code, stdout: error.stdout }),
  );
}
