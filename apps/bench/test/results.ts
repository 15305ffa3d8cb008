/** Results as a run makes them, by hand. */

import type { Measured } from "../src/frame/runner.ts";
import type { CasePlan } from "../src/frame/scenario.ts";
import { comparisonsOf, untoldTargets } from "../src/result/comparisons.ts";
import type { Results } from "../src/result/schema.ts";

export const plan = (over: Partial<CasePlan> = {}): CasePlan => ({
  id: "pairs/redis/16",
  backend: "redis",
  title: "16 callers at once",
  metrics: [
    { key: "rate", label: "pairs/s", better: "higher" },
    { key: "commands", label: "commands", better: "lower", digits: 2 },
  ],
  targets: [],
  open: () => Promise.reject(new Error("never opened")),
  ...over,
});

export const measured = (
  name: string,
  kind: Measured["kind"],
  rates: readonly number[],
  commands = 2,
): Measured => ({
  name,
  kind,
  packages: [],
  samples: rates.map((rate) => ({ rate, commands })),
});

export function resultsOf(rates: readonly number[], over: Partial<CasePlan> = {}): Results {
  const casePlan = plan({ targets: [{ metric: "rate", of: "lease", to: "raw", atLeast: 1.1 }], ...over });
  const entrants = [
    measured("lease", "ours", rates),
    measured(
      "raw ioredis",
      "raw",
      rates.map(() => 100),
    ),
    measured(
      "redlock <4>",
      "peer",
      rates.map(() => 50),
    ),
  ];
  const { id, backend, title, metrics } = casePlan;
  return {
    format: "lease-bench",
    version: 1,
    startedAt: "2026-11-24T12:00:00.000Z",
    tookS: 12,
    settings: { rounds: rates.length, roundMs: 400, peers: true, pin: null },
    machine: { cpu: "a processor", cores: 2, memoryGiB: 8, os: "an OS", node: "v24.0.0" },
    servers: ["Redis 7.0.15"],
    packages: { ioredis: "ioredis 6.0.0", redlock4: "redlock 4.2.0" },
    scenarios: [
      {
        name: "pairs",
        title: "Acquire and release",
        about: "Again & again.",
        cases: [
          {
            id,
            backend,
            title,
            metrics: metrics.map((metric) => ({ ...metric })),
            entrants: entrants.map(({ name, kind, samples }) => ({
              name,
              kind,
              samples: samples.map((sample) => ({ ...sample })),
            })),
            comparisons: comparisonsOf(casePlan, entrants),
            untold: untoldTargets(casePlan, entrants),
          },
        ],
      },
    ],
  };
}
