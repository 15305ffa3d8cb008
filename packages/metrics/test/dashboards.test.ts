/** What ships in `dashboards/` is held to the metrics that there are: a renamed metric fails here, not at night. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createLeaseManager, memoryBackend } from "@lease/core";
import { parser } from "@prometheus-io/lezer-promql";
import { Registry } from "prom-client";
import { beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { instrumentManager, withMetrics } from "../src/index.js";
import { parseExposition } from "./exposition.js";
import { promtool } from "./promtool.js";

const fileOf = (name: string) => fileURLToPath(new URL(`../dashboards/${name}`, import.meta.url));

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}
const { groups } = parse(readFileSync(fileOf("lease-alerts.yml"), "utf8")) as {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
}
const dashboard = JSON.parse(readFileSync(fileOf("lease.json"), "utf8")) as {
  readonly uid: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
};
const panels = dashboard.panels.filter(({ type }) => type !== "row");
/** With Grafana's own variable made a duration, as Grafana does before it asks. */
const queries = panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => [title, expr.replaceAll("$__rate_interval", "5m")] as const),
);

/** The series that there are: name of the sample to the names of its labels. */
const exposed = new Map<string, Set<string>>();
/** Values that each label of each metric can have. */
const labelValues = new Map<string, Set<string>>();

beforeAll(async () => {
  const registry = new Registry();
  const backend = withMetrics(memoryBackend(), { registry });
  instrumentManager(createLeaseManager({ backend, agentId: "a" }), { registry });
  for (const { samples } of parseExposition(await registry.metrics())) {
    for (const { name, labels } of samples) {
      // Prometheus adds these two when it scrapes.
      exposed.set(name, new Set([...Object.keys(labels), "job", "instance"]));
      for (const [label, value] of Object.entries(labels)) {
        const key = `${name} ${label}`;
        labelValues.set(key, (labelValues.get(key) ?? new Set()).add(value));
      }
    }
  }
});

/** What an expression asks for. @throws when it is no PromQL */
function read(expr: string) {
  const metrics: string[] = [];
  const labels: string[] = [];
  const matchers: { label: string; operator: string; value: string }[] = [];
  const text = (node: { from: number; to: number }) => expr.slice(node.from, node.to);
  parser.parse(expr).iterate({
    enter(node) {
      if (node.type.isError) throw new Error(`not PromQL at ${node.from}: ${expr}`);
      if (node.name === "VectorSelector") metrics.push(text(node.node.getChild("Identifier") ?? node));
      if (node.name === "LabelName") labels.push(text(node));
      if (node.name === "UnquotedLabelMatcher") {
        const [label, operator, value] = ["LabelName", "MatchOp", "StringLiteral"].map((name) => {
          const child = node.node.getChild(name);
          return child === null ? "" : text(child);
        }) as [string, string, string];
        matchers.push({ label, operator, value: value.slice(1, -1) });
      }
    },
  });
  return { metrics, labels, matchers };
}

function expectKnown(expr: string): void {
  const { metrics, labels, matchers } = read(expr);
  expect(metrics.length).toBeGreaterThan(0);
  for (const metric of metrics) expect([...exposed.keys()], expr).toContain(metric);
  const known = new Set(metrics.flatMap((metric) => [...(exposed.get(metric) ?? [])]));
  for (const label of labels) expect([...known], expr).toContain(label);
  for (const { label, operator, value } of matchers) {
    if (value.startsWith("$") || operator.startsWith("!")) continue;
    const values = metrics.flatMap((metric) => [...(labelValues.get(`${metric} ${label}`) ?? [])]);
    const wanted = operator === "=" ? [value] : value.split("|");
    for (const one of wanted) {
      expect(
        values.some((has) => new RegExp(`^(?:${one})$`).test(has)),
        `${label}=${one} in ${expr}`,
      ).toBe(true);
    }
  }
}

describe("the alert rules", () => {
  test.each(rules.map((rule) => [rule.alert, rule] as const))("%s", (_, rule) => {
    expect(Object.keys(rule)).toEqual(expect.arrayContaining(["alert", "expr", "labels", "annotations"]));
    expect(rule.alert).toMatch(/^Leases?[A-Z]\w+$/);
    expect(rule.for ?? "5m").toMatch(/^\d+[smh]$/);
    expect(["info", "warning", "critical"]).toContain(rule.labels.severity);
    expect(Object.keys(rule.annotations)).toEqual(["summary", "description"]);
    expectKnown(rule.expr);
    // A label that the expression aggregates away would be an empty word in the message.
    const kept = new Set(read(rule.expr).labels);
    for (const [, label = ""] of JSON.stringify(rule.annotations).matchAll(/\$labels\.(\w+)/g)) {
      expect([...kept]).toContain(label);
    }
  });

  test("have one name each, in groups with one name each", () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    expect(new Set(groups.map(({ name }) => name)).size).toBe(groups.length);
  });

  test.skipIf(promtool === null)(
    "please promtool (skipped without one: install prometheus, or set PROMTOOL)",
    () => {
      const said = execFileSync(
        promtool as string,
        ["check", "rules", "--lint-fatal", fileOf("lease-alerts.yml")],
        {
          encoding: "utf8",
        },
      );
      expect(said).toContain(`SUCCESS: ${rules.length} rules found`);
    },
  );
});

describe("the dashboard", () => {
  test.each(queries)("%s: %s", (_, expr) => expectKnown(expr));

  test("shows every metric", () => {
    const shown = new Set(queries.flatMap(([, expr]) => read(expr).metrics));
    const base = (name: string) => name.replace(/_(bucket|sum|count)$/, "");
    const all = new Set([...exposed.keys()].map(base));
    expect([...new Set([...shown].map(base))].sort()).toEqual([...all].sort());
  });

  test("says what each panel is, and no two panels lie on each other", () => {
    const cells = new Set<string>();
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    for (const { title, description, gridPos } of panels) {
      expect(description, title).toMatch(/\w+ \w+/);
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(cells, title).not.toContain(`${x} ${y}`);
          cells.add(`${x} ${y}`);
        }
      }
    }
  });

  test("has the variables that its panels use, filled from metrics that there are", () => {
    const text = JSON.stringify(dashboard);
    const used = new Set([...text.matchAll(/\$\{?(?!__)(\w+)/g)].map(([, name]) => name));
    expect([...used].sort()).toEqual(dashboard.templating.list.map(({ name }) => name).sort());
    for (const [, metric = ""] of text.matchAll(/label_values\((\w+)/g)) {
      expect([...exposed.keys()]).toContain(metric);
    }
  });
});

test("the reader of expressions refuses what is no PromQL", () => {
  expect(() => read("sum by (job (rate(x[5m]))")).toThrow();
  expect(() => expectKnown("rate(lease_nothing_total[5m])")).toThrow();
  expect(() => expectKnown('lease_live_leases{state="gone"}')).toThrow();
});
