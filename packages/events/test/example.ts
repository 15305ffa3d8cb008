/** The example of the README as a stranger would have it. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

export const TSC = join(root, "node_modules/@typescript/native/bin/tsc");

/** Writes `example.ts` into a folder where the built packages are installed, set up to be compiled under strict. */
export function installExample(folder: string): void {
  const [, code = ""] = readme.match(/^```ts\n(.*?)^```/ms) ?? [];
  mkdirSync(join(folder, "node_modules/@lease"), { recursive: true });
  mkdirSync(join(folder, "node_modules/@types"));
  for (const name of ["core", "events", "sqlite"])
    symlinkSync(join(root, "packages", name), join(folder, "node_modules/@lease", name));
  symlinkSync(join(root, "node_modules/@types/node"), join(folder, "node_modules/@types/node"));
  const compilerOptions = {
    target: "es2023",
    module: "nodenext",
    types: ["node"],
    strict: true,
    noEmit: true,
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(join(folder, "example.ts"), code);
}
