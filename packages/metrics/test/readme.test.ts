/** The example of the README is compiled and run as a stranger would, on the built package; its tables are true. */
import { createLeaseManager, memoryBackend } from "@lease/core";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { firstExample, readDocument, tryExample } from "../../../test/examples.js";
import { instrumentManager, withMetrics } from "../src/index.js";
import { parseExposition } from "./exposition.js";

const README = "packages/metrics/README.md";

test("the example compiles under strict and prints the metrics", async () => {
  const { compiler, stdout, stderr } = await tryExample(firstExample(README));
  expect(compiler + stderr).toBe("");
  expect(stdout).toContain('lease_live_leases{backend="memory",state="active",mode="exclusive"} 1');
  expect(stdout).toContain('lease_manager_held_leases{backend="memory"} 1');
});

test("the tables name every metric with its type, its labels and the values of its results", async () => {
  const registry = new Registry();
  const backend = withMetrics(memoryBackend(), { registry });
  instrumentManager(createLeaseManager({ backend, agentId: "a" }), { registry });
  const exposed = parseExposition(await registry.metrics());
  const rows = [...readDocument(README).matchAll(/^\| `(lease_\w+)` \| (\w+) \| (.+?) \| (.+) \|$/gm)];
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
