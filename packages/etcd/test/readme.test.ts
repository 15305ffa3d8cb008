/** The example of the README is compiled and run as a stranger would, on the built package; its table of options is true. */
import { execFile } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startEtcd } from "@lease/test-servers";
import { expect, test } from "vitest";
import { DEFAULTS } from "../src/options.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const run = promisify(execFile);

test("the example compiles under strict, runs, and exits with 0", async () => {
  const etcd = await startEtcd();
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "lease-etcd-")));
  try {
    const modules = join(folder, "node_modules");
    for (const scope of ["@lease", "@types"]) mkdirSync(join(modules, scope), { recursive: true });
    for (const name of ["core", "etcd"])
      symlinkSync(join(root, "packages", name), join(modules, "@lease", name));
    symlinkSync(join(root, "node_modules/@types/node"), join(modules, "@types/node"));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    const [, code = ""] = /^```ts\n(.*?)^```/ms.exec(readme) ?? [];
    writeFileSync(join(folder, "example.ts"), code.replace("127.0.0.1:2379", etcd.endpoints[0] ?? ""));
    const options =
      "--strict --noEmit --skipLibCheck --target es2023 --lib es2023,esnext.disposable --module nodenext --types node";
    const tsc = join(root, "node_modules/@typescript/native/bin/tsc");
    const compiled = await run(process.execPath, [tsc, ...options.split(" "), "example.ts"], {
      cwd: folder,
    }).catch((error) => error);
    expect(compiled.stdout).toBe("");
    const { stdout, stderr } = await run(process.execPath, ["--unhandled-rejections=strict", "example.ts"], {
      cwd: folder,
    });
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^held with fencing token \d+\n$/);
  } finally {
    rmSync(folder, { recursive: true });
    await etcd.stop();
  }
});

test("the defaults are those of the table", () => {
  const rows = Object.fromEntries(
    [...readme.matchAll(/^\| `(\w+)` \| ([^|]*) \|/gm)].map(([, name = "", cell]) => [name, cell]),
  );
  for (const [name, value] of Object.entries(DEFAULTS)) {
    expect(rows[name]?.replaceAll(/[` "]/g, "")).toBe(String(value));
  }
});
