/** What a fresh clone of the workspace copes with. The whole way, from `npm install` on, is in `clone.all.test.ts`. */
import { execFile } from "node:child_process";
import {
  chmodSync,
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const execute = promisify(execFile);

test.each(["package-lock.json", "yarn.lock", "bun.lock"])("builds beside a %s", async (lockfile) => {
  const clone = copyOf(
    "{package,turbo}.json",
    "pnpm-{workspace,lock}.yaml",
    "{packages,apps,tools}/*/package.json",
  );
  writeFileSync(join(clone, lockfile), "");
  const turbo = join(root, "node_modules/.bin/turbo");
  const env = { ...process.env, TURBO_TELEMETRY_DISABLED: "1" };
  const { stdout } = await execute(turbo, ["run", "build", "--dry=json"], { cwd: clone, env });
  expect(JSON.parse(stdout).packages).toContain("@lease/server");
});

test("a Node that is too old is refused, with a step that is not the one that just failed", async () => {
  const clone = copyOf("package.json", "scripts/node");
  const bin = join(clone, "bin");
  mkdirSync(bin);
  const oldNode = '#!/bin/sh\ncase "$1" in --version) echo v20.1.0 ;; *) echo 20 ;; esac\n';
  writeFileSync(join(bin, "node"), oldNode);
  chmodSync(join(bin, "node"), 0o755);
  const env = { PATH: `${bin}:/usr/bin:/bin` };
  const failure = await execute(join(clone, "scripts/node"), ["--version"], { env }).catch((error) => error);
  expect(failure).toMatchObject({ code: 1, stdout: "" });
  expect(failure.stderr).toContain("needs Node 22 or newer; this machine has v20.1.0");
  expect(failure.stderr).toMatch(/install Node 22 or newer/i);
  expect(failure.stderr).not.toMatch(/npm (start|test)/);
});

/** A new folder with these files of the workspace. */
function copyOf(...patterns: string[]): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "lease-workspace-")));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const path of globSync(patterns, { cwd: root })) cpSync(join(root, path), join(folder, path));
  return folder;
}
