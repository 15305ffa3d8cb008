/** The example of the README is compiled and run as a stranger would, on the built package; its tables are true. */
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
import { createLeaseManager, memoryBackend } from "@lease/core";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { instrumentManager, withMetrics } from "../src/index.js";
import { parseExposition } from "./exposition.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const run = promisify(execFile);

test("the example compiles under strict and prints the metrics", async () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "lease-metrics-")));
  try {
    const modules = join(folder, "node_modules");
    for (const scope of ["@lease", "@types"]) mkdirSync(join(modules, scope), { recursive: true });
    symlinkSync(join(root, "packages/core"), join(modules, "@lease/core"));
    symlinkSync(join(root, "packages/metrics"), join(modules, "@lease/metrics"));
    symlinkSync(join(root, "packages/metrics/node_modules/prom-client"), join(modules, "prom-client"));
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
    expect(stdout).toContain('lease_live_leases{backend="memory",state="active",mode="exclusive"} 1');
    expect(stdout).toContain('lease_manager_held_leases{backend="memory"} 1');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("the tables name every metric with its type, its labels and the values of its results", async () => {
  const registry = new Registry();
  const backend = withMetrics(memoryBackend(), { registry });
  instrumentManager(createLeaseManager({ backend, agentId: "a" }), { registry });
  const exposed = parseExposition(await registry.metrics());
  const rows = [...readme.matchAll(/^\| `(lease_\w+)` \| (\w+) \| (.+?) \| (.+) \|$/gm)];
  const codes = (text = "") => [...text.matchAll(/`([\w-]+)`/g)].map(([, code]) => code);
  expect(rows.map(([, name]) => name).sort()).toEqual(exposed.map(({ name }) => name).sort());
  for (const [, name, type, labels, tells] of rows) {
    const family = exposed.find((one) => one.name === name);
    expect(type, name).toBe(family?.type);
    const has = Object.keys(family?.samples[0]?.labels ?? {}).filter((label) => label !== "le");
    expect(codes(labels), name).toEqual(has);
    for (const label of ["result", "end"]) {
      const values = new Set(family?.samples.flatMap(({ labels }) => labels[label] ?? []));
      if (values.size > 0) expect(codes(tells), name).toEqual([...values]);
    }
  }
});
