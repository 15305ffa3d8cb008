/**
 * The text format that Prometheus reads, held to its rules line by line
 * (prometheus.io/docs/instrumenting/exposition_formats). Stricter than Prometheus itself, which forgives a lot.
 */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ExposedFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly Sample[];
}

const TYPES = ["counter", "gauge", "histogram", "summary", "untyped"];
const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([+-]Inf|NaN|[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/y;

/** @throws an Error that quotes the first line that breaks a rule */
export function parseExposition(text: string): ExposedFamily[] {
  if (!text.endsWith("\n")) throw new Error("the last line must end with a line feed");
  const families = new Map<string, { name: string; help: string; type: string; samples: Sample[] }>();
  const seen = new Set<string>();
  let current: string | undefined;

  for (const line of text.slice(0, -1).split("\n")) {
    const fail = (why: string): never => {
      throw new Error(`${why}: ${line}`);
    };
    if (line === "") continue;
    const help = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    const type = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (\w+)$/.exec(line);
    if (help !== null) {
      const [, name = "", words = ""] = help;
      if (families.has(name)) fail("a second HELP, or one after samples of another metric");
      if (/\\(?![\\n])/.test(words)) fail("a backslash that escapes nothing");
      families.set(name, { name, help: words, type: "", samples: [] });
      current = name;
    } else if (type !== null) {
      const [, name = "", kind = ""] = type;
      const family = families.get(name) ?? fail("TYPE without HELP");
      if (name !== current || family.type !== "" || family.samples.length > 0) fail("TYPE twice or too late");
      if (!TYPES.includes(kind)) fail("an unknown type");
      family.type = kind;
    } else {
      const [, name = "", labelText, valueText = ""] =
        SAMPLE.exec(line) ?? fail("neither HELP, TYPE nor sample");
      const family = families.get(current ?? "") ?? fail("a sample without HELP");
      if (family.type === "") fail("a sample without TYPE");
      const suffix = name.startsWith(family.name)
        ? name.slice(family.name.length)
        : fail("not of this metric");
      const allowed = family.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
      if (!allowed.includes(suffix)) fail("a suffix that this type has not");
      const labels = labelsOf(labelText ?? "", fail);
      const key = `${name} ${JSON.stringify(Object.entries(labels).sort())}`;
      if (seen.has(key)) fail("the same series twice");
      seen.add(key);
      family.samples.push({ name, labels, value: Number(valueText.replace("Inf", "Infinity")) });
    }
  }
  for (const family of families.values()) checkFamily(family);
  return [...families.values()];
}

function labelsOf(text: string, fail: (why: string) => never): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const [, name = "", value = ""] = LABEL.exec(text) ?? fail("a label that cannot be read");
    if (name in labels) fail(`the label ${name} twice`);
    labels[name] = value.replace(/\\(.)/g, (_, escaped) => (escaped === "n" ? "\n" : escaped));
  }
  return labels;
}

function checkFamily({ name, type, samples }: ExposedFamily): void {
  const fail = (why: string): never => {
    throw new Error(`${name}: ${why}`);
  };
  if (samples.length === 0) fail("no sample");
  if ((type === "counter") !== name.endsWith("_total")) fail("counters, and only they, end in _total");
  if (/(^|_)(ms|milliseconds|minutes|hours|kb|mb|percent)(_|$)/.test(name)) fail("not a base unit");
  for (const { value } of samples) {
    if (Number.isNaN(value)) fail("no number");
    if (type !== "gauge" && value < 0) fail("below zero");
  }
  if (type !== "histogram") return;
  const groups = new Map<string, { buckets: [number, number][]; sum: number; count: number }>();
  for (const sample of samples) {
    const { le, ...labels } = sample.labels;
    const key = JSON.stringify(labels);
    const group = groups.get(key) ?? { buckets: [], sum: Number.NaN, count: Number.NaN };
    groups.set(key, group);
    if (sample.name.endsWith("_sum")) group.sum = sample.value;
    else if (sample.name.endsWith("_count")) group.count = sample.value;
    else
      group.buckets.push([
        Number((le ?? fail("a bucket without le")).replace("Inf", "Infinity")),
        sample.value,
      ]);
  }
  for (const { buckets, sum, count } of groups.values()) {
    const increases = (numbers: readonly number[], strictly: boolean) =>
      numbers.every(
        (n, i) => i === 0 || (strictly ? n > (numbers[i - 1] as number) : n >= (numbers[i - 1] as number)),
      );
    if (
      !increases(
        buckets.map(([bound]) => bound),
        true,
      )
    )
      fail("bounds out of order");
    if (
      !increases(
        buckets.map(([, inBucket]) => inBucket),
        false,
      )
    )
      fail("buckets are not cumulative");
    const last = buckets.at(-1) ?? fail("no buckets");
    if (last[0] !== Number.POSITIVE_INFINITY) fail("no bucket +Inf");
    if (last[1] !== count) fail("+Inf and _count differ");
    if (Number.isNaN(sum)) fail("no _sum");
  }
}
