/** A file of results: what a run measured, with all rounds, so that another run can be held against it. */
import { z } from "zod";

export const VERSION = 1;

const Bound = z.strictObject({
  atLeast: z.number().optional(),
  atMost: z.number().optional(),
  stretch: z.number().optional(),
});

const Comparison = z.strictObject({
  metric: z.string(),
  of: z.string(),
  /** Null: the value itself, no ratio. */
  to: z.string().nullable(),
  better: z.enum(["higher", "lower"]),
  rounds: z.array(z.number()),
  median: z.number(),
  low: z.number(),
  high: z.number(),
  target: Bound.nullable(),
  /** Null where nothing is aimed at. */
  reached: z.boolean().nullable(),
});

const Case = z.strictObject({
  id: z.string(),
  backend: z.string(),
  title: z.string(),
  metrics: z.array(
    z.strictObject({
      key: z.string(),
      label: z.string(),
      better: z.enum(["higher", "lower"]),
      digits: z.number().optional(),
    }),
  ),
  entrants: z.array(
    z.strictObject({
      name: z.string(),
      kind: z.enum(["ours", "raw", "peer"]),
      samples: z.array(z.record(z.string(), z.number())),
    }),
  ),
  comparisons: z.array(Comparison),
  /** What is aimed at and could not be told: there was too little of it, or nothing here measures it. */
  untold: z.array(z.string()),
});

const Results = z.strictObject({
  format: z.literal("lease-bench"),
  version: z.literal(VERSION),
  startedAt: z.iso.datetime(),
  tookS: z.number(),
  settings: z.strictObject({
    rounds: z.number(),
    roundMs: z.number(),
    peers: z.boolean(),
    /** On how many cores client and server were kept; null: the kernel decided. */
    pin: z
      .union([z.literal(1), z.literal(2)])
      .nullable()
      .default(null),
  }),
  machine: z.strictObject({
    cpu: z.string(),
    cores: z.number(),
    memoryGiB: z.number(),
    os: z.string(),
    node: z.string(),
  }),
  servers: z.array(z.string()),
  packages: z.record(z.string(), z.string()),
  scenarios: z.array(
    z.strictObject({ name: z.string(), title: z.string(), about: z.string(), cases: z.array(Case) }),
  ),
});

export type Results = z.infer<typeof Results>;
export type CaseResult = z.infer<typeof Case>;
export type ScenarioResult = Results["scenarios"][number];
export type EntrantResult = CaseResult["entrants"][number];
export type Comparison = z.infer<typeof Comparison>;

/** @throws Error with a sentence that names the file, for anything but results of this version */
export function parseResults(text: string, name: string): Results {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    throw new Error(`${name} is not JSON: give a results/*.json that npm run bench wrote.`);
  }
  const { format, version } = (data ?? {}) as { format?: unknown; version?: unknown };
  if (format !== "lease-bench") {
    throw new Error(`${name} holds no benchmark results: give a results/*.json that npm run bench wrote.`);
  }
  if (version !== VERSION) {
    throw new Error(`${name} is of version ${version}, this program reads version ${VERSION}: run it again.`);
  }
  const parsed = Results.safeParse(data);
  if (parsed.success) return parsed.data;
  throw new Error(`${name} is damaged: ${z.prettifyError(parsed.error)}`);
}
