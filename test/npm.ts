/** npm as a person runs it, but for where the packages come from. */
import { execFile } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Registry } from "./registry.js";

/** `npm install` in a folder, from a registry, with a cache and a configuration of its own. */
export async function npmInstall(
  folder: string,
  registry: Registry,
  packages: readonly string[] = [],
): Promise<void> {
  const cache = mkdtempSync(join(tmpdir(), "lease-npm-"));
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"];
  const places = ["--registry", registry.url, "--cache", cache, "--userconfig", join(cache, "npmrc")];
  try {
    const options = { cwd: folder, env: plainEnv() };
    await promisify(execFile)("npm", ["install", ...quiet, ...places, ...packages], options);
  } finally {
    await rm(cache, { recursive: true, force: true });
  }
}

/** The environment without what an npm or pnpm that runs this test has set for its children. */
export function plainEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^p?npm_/i.test(name)));
}
