import { execFileSync } from "node:child_process";
import { createLeaseManager, memoryBackend } from "@lease/core";
import { Registry } from "prom-client";
import { describe, expect, test } from "vitest";
import { instrumentManager, withMetrics } from "../src/index.js";
import { parseExposition } from "./exposition.js";
import { promtool } from "./promtool.js";
import { sumOf } from "./support.js";

/** A registry with everything in it. */
function everything(registry: Registry = new Registry(), name?: string) {
  const options = name === undefined ? { registry } : { registry, name };
  const backend = withMetrics(memoryBackend(), options);
  const leases = createLeaseManager({ backend, agentId: 'agent "7"' });
  instrumentManager(leases, options);
  return { registry, backend, leases };
}

test("every series is there from the start, with 0, and none is added by use", async () => {
  const { registry, leases } = everything();
  const before = parseExposition(await registry.metrics());
  const keys = (families: typeof before) =>
    families.flatMap(({ samples }) => samples.map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`));
  for (const { name, samples } of before) {
    for (const { value } of samples) if (!name.endsWith("timestamp_seconds")) expect(value, name).toBe(0);
  }
  for (let number = 0; number < 50; number += 1) {
    await leases.withLease([`r/${number}`, `s/${number}`], async () => leases.tryAcquire(`r/${number}`));
    await leases.acquire(`../${number}`).catch(() => {});
  }
  await leases.backend.sweep({ historyRetentionMs: 0 });
  const after = parseExposition(await registry.metrics());
  expect(keys(after)).toEqual(keys(before));
  expect(keys(after).length).toBeLessThan(500);
});

test("the text keeps the rules of the format, with default labels and names that need escapes", async () => {
  const registry = new Registry();
  registry.setDefaultLabels({ zone: 'a "quoted"\\zone' });
  const { leases } = everything(registry, 'line\nfeed "and" \\');
  await leases.withLease("a", async () => {});
  const families = parseExposition(await registry.metrics());
  const [sample] = families[0]?.samples ?? [];
  expect(sample?.labels).toMatchObject({ zone: 'a "quoted"\\zone', backend: 'line\nfeed "and" \\' });
});

test("a registry that speaks OpenMetrics gets counters by the same names", async () => {
  const registry = new Registry();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never);
  const backend = withMetrics(memoryBackend(), { registry });
  await createLeaseManager({ backend, agentId: "a" }).acquire("a");
  const text = await registry.metrics();
  expect(text).toContain("# TYPE lease_acquires counter\n");
  expect(text).toMatch(/^lease_acquires_total\{.*result="granted"\} 1$/m);
  expect(text.endsWith("# EOF\n")).toBe(true);
});

test("resetMetrics() resets what counts, not what is", async () => {
  const { registry, leases } = everything();
  await leases.acquire("a");
  await registry.metrics();
  registry.resetMetrics();
  expect(await sumOf(registry, "lease_acquires_total", {})).toBe(0);
  expect(await sumOf(registry, "lease_wait_duration_seconds_count", {})).toBe(0);
  expect(await sumOf(registry, "lease_manager_held_leases", {})).toBe(1);
});

describe.skipIf(promtool === null)(
  "promtool (skipped without one: install prometheus, or set PROMTOOL)",
  () => {
    test("has nothing to say against the metrics", async () => {
      const { registry, leases } = everything();
      await leases.withLease("a", async () => {});
      const input = await registry.metrics();
      const said = execFileSync(promtool as string, ["check", "metrics"], { input, encoding: "utf8" });
      expect(said).toBe("");
    });
  },
);
describe("the check of the format finds what is wrong", () => {
  const head = "# HELP x_total X.\n# TYPE x_total counter\n";
  const histogram = "# HELP h H.\n# TYPE h histogram\n";
  test.each([
    ["no line feed at the end", `${head}x_total 1`],
    ["no TYPE", "# HELP x_total X.\nx_total 1\n"],
    ["HELP twice", `${head}x_total 1\n# HELP x_total X.\n`],
    ["a series twice", `${head}x_total{a="1"} 1\nx_total{a="1"} 2\n`],
    ["a label twice", `${head}x_total{a="1",a="2"} 1\n`],
    ["a quote that is not escaped", `${head}x_total{a="b"c"} 1\n`],
    ["a counter without _total", "# HELP x X.\n# TYPE x counter\nx 1\n"],
    ["no number", `${head}x_total Nan\n`],
    ["no +Inf", `${histogram}h_bucket{le="1"} 1\nh_sum 1\nh_count 1\n`],
    ["not cumulative", `${histogram}h_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n`],
    ["_count differs", `${histogram}h_bucket{le="+Inf"} 1\nh_sum 1\nh_count 2\n`],
    ["milliseconds", "# HELP x_ms X.\n# TYPE x_ms gauge\nx_ms 1\n"],
  ])("%s", (_, text) => {
    expect(() => parseExposition(text)).toThrow();
  });
});
