/** A whole run: all chosen cases one after the other. */
import { comparisonsOf, untoldTargets } from "../result/comparisons.js";
import { type CaseResult, type Results, type ScenarioResult, VERSION } from "../result/schema.js";
import type { BackendName } from "./contender.js";
import { machine, packageVersions } from "./machine.js";
import { type Pinned, pinClient } from "./pin.js";
import { measure, type Progress } from "./runner.js";
import type { CasePlan, Scenario } from "./scenario.js";
import { Stores } from "./stores.js";

export interface Choice {
  readonly scenarios: readonly Scenario[];
  readonly backends: readonly BackendName[];
  readonly concurrency: readonly number[] | null;
}

export interface RunSettings {
  readonly rounds: number;
  readonly roundMs: number;
  readonly peers: boolean;
  /** On how many cores client and server are kept. Default: the kernel decides. */
  readonly pin?: Pinned | null;
  /** How much of the usual amount is loaded; 1 but in tests. */
  readonly scale?: number;
}

export interface Listeners {
  readonly onProgress?: Progress;
  readonly onCase?: (scenario: Scenario, result: CaseResult) => void;
  /** A case could not be measured. The others go on. */
  readonly onFailure?: (plan: CasePlan, error: unknown) => void;
  /** Ends the run before the next measurement, with its reason. */
  readonly signal?: AbortSignal;
}

export function chosenCases(choice: Choice): { scenario: Scenario; plans: CasePlan[] }[] {
  return choice.scenarios
    .map((scenario) => ({
      scenario,
      plans: scenario.plan(choice.concurrency).filter(({ backend }) => choice.backends.includes(backend)),
    }))
    .filter(({ plans }) => plans.length > 0);
}

/** Used by all that measures with our own packages. */
const OWN_DEPENDENCIES = ["better-sqlite3", "ioredis", "etcd3"];

export async function run(
  choice: Choice,
  settings: RunSettings,
  { onProgress, onCase, onFailure, signal }: Listeners = {},
): Promise<Results> {
  const startedAt = new Date();
  const { rounds, roundMs, peers, pin = null, scale = 1 } = settings;
  if (pin !== null) await pinClient();
  const stores = new Stores(pin);
  const context = { stores, roundMs, peers, scale };
  const progress: Progress = (...told) => {
    signal?.throwIfAborted();
    onProgress?.(...told);
  };
  const scenarios: ScenarioResult[] = [];
  const packages: string[] = [];
  try {
    for (const { scenario, plans } of chosenCases(choice)) {
      const cases: CaseResult[] = [];
      for (const plan of plans) {
        try {
          const measured = await measure(plan, context, rounds, progress);
          packages.push(...measured.flatMap((entrant) => entrant.packages));
          const result = resultOf(plan, measured);
          cases.push(result);
          onCase?.(scenario, result);
        } catch (error) {
          signal?.throwIfAborted();
          if (onFailure === undefined) throw error;
          onFailure(plan, error);
        }
      }
      const { name, title, about } = scenario;
      if (cases.length > 0) scenarios.push({ name, title, about, cases });
    }
    return {
      format: "lease-bench",
      version: VERSION,
      startedAt: startedAt.toISOString(),
      tookS: Math.round((Date.now() - startedAt.getTime()) / 1000),
      settings: { rounds, roundMs, peers, pin },
      machine: machine(),
      servers: await stores.servers(),
      packages: packageVersions([...packages, ...OWN_DEPENDENCIES]),
      scenarios,
    };
  } finally {
    await stores.close();
  }
}

function resultOf(plan: CasePlan, measured: Awaited<ReturnType<typeof measure>>): CaseResult {
  const { id, backend, title } = plan;
  return {
    id,
    backend,
    title,
    metrics: plan.metrics.map((metric) => ({ ...metric })),
    entrants: measured.map(({ name, kind, samples }) => ({
      name,
      kind,
      samples: samples.map((sample) => ({ ...sample })),
    })),
    comparisons: comparisonsOf(plan, measured),
    untold: untoldTargets(plan, measured),
  };
}
