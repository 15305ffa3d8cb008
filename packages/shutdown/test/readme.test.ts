/** The example of the README is compiled and run as a stranger would, on the built package; its tables are true. */
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { SHUTDOWN_DEFAULTS } from "../src/index.js";
import { temporaryFolder, world } from "./support.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const run = promisify(execFile);

test("the example compiles under strict, runs, and exits with 0", async () => {
  const folder = realpathSync(temporaryFolder());
  const modules = join(folder, "node_modules");
  for (const scope of ["@lease", "@types"]) mkdirSync(join(modules, scope), { recursive: true });
  for (const name of ["core", "shutdown"])
    symlinkSync(join(root, "packages", name), join(modules, "@lease", name));
  symlinkSync(join(root, "node_modules/@types/node"), join(modules, "@types/node"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const [, code = ""] = /^```ts\n(.*?)^```/ms.exec(readme) ?? [];
  writeFileSync(join(folder, "example.ts"), code);
  const options =
    "--strict --noEmit --target es2023 --lib es2023,esnext.disposable --module nodenext --types node";
  const tsc = join(root, "node_modules/@typescript/native/bin/tsc");
  const compiled = await run(process.execPath, [tsc, ...options.split(" "), "example.ts"], {
    cwd: folder,
  }).catch((error) => error);
  expect(compiled.stdout).toBe("");
  const { stdout, stderr } = await run(process.execPath, ["--unhandled-rejections=strict", "example.ts"], {
    cwd: folder,
  });
  expect(stderr).toBe("");
  expect(stdout.split("\n")).toEqual(["stop 1", "drain 1", "release 0", "sweep 0", "close 0", "exit 0", ""]);
});

test("the phases and the defaults are those of the tables", async () => {
  const { shutdown, phases } = world();
  await shutdown({}).shutDown();
  const rows = [...readme.matchAll(/^\| `(\w+)` \| (?:([^|]*) \| )?/gm)];
  expect(rows.slice(0, 6).map(([, phase]) => phase)).toEqual(phases.map((line) => line.split(" ")[0]));
  const defaults = Object.fromEntries(rows.map(([, name = "", cell = ""]) => [name, cell.trim()]));
  expect(defaults.timeoutMs?.replace(" ", "")).toBe(String(SHUTDOWN_DEFAULTS.timeoutMs));
  expect(defaults.signals).toBe(SHUTDOWN_DEFAULTS.signals.join(", "));
  expect(defaults.drainMs).toBe("3/4 of `timeoutMs`");
  expect(SHUTDOWN_DEFAULTS.drainPart).toBe(3 / 4);
});
