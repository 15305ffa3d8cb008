/** On what it was measured, and with which versions. */
import { readFileSync } from "node:fs";
import { findPackageJSON } from "node:module";
import { availableParallelism, cpus, release, totalmem, type } from "node:os";
import { pathToFileURL } from "node:url";

export function machine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${type()} ${release()}`,
    node: process.version,
  };
}

/** Where a package is looked for that is not a dependency of this one: the copy that the backend uses. */
const HOMES: Readonly<Record<string, string>> = { "better-sqlite3": "@lease/sqlite" };

/** By the names that this package knows them by, with the name that they have on npm. */
export function packageVersions(names: readonly string[]): Record<string, string> {
  const versions: Record<string, string> = {};
  for (const name of [...new Set(names)].sort()) {
    const home = HOMES[name];
    const base = home === undefined ? import.meta.url : pathToFileURL(packageFile(home, import.meta.url));
    const told = JSON.parse(readFileSync(packageFile(name, base), "utf8")) as {
      name: string;
      version: string;
    };
    versions[name] = `${told.name} ${told.version.replace(/^v/, "")}`;
  }
  return versions;
}

function packageFile(name: string, base: string | URL): string {
  const path = findPackageJSON(name, base);
  if (path === undefined) throw new Error(`The package ${name} is not installed: run npm run build.`);
  return path;
}
