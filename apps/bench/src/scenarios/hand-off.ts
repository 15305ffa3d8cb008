/** From a release to the next holder, in another process, from rest. */
import { setTimeout as sleep } from "node:timers/promises";
import { withWorkers } from "../children/processes.js";
import { contendersOn } from "../contenders/index.js";
import type { BackendName, Contender } from "../frame/contender.js";
import type { CasePlan, Context, Metric, Sample, Scenario, Target } from "../frame/scenario.js";
import { quantile } from "../frame/stats.js";

/** Longer than anybody needs to lie down, so that each hand-off begins from rest, as most do. */
const REST_MS = { least: 8, most: 12 } as const;
/** The first ones connect, and load scripts. */
const NOT_COUNTED = 3;
/** So many there are, however long they take. */
const AT_LEAST = 5;
/** A round is so much longer than one of a rate: who polls comes to its turn seldom. */
const LONGER = 4;

const METRICS: readonly Metric[] = [
  { key: "p50", label: "p50 ms", better: "lower", digits: 2 },
  { key: "p90", label: "p90 ms", better: "lower", digits: 2 },
  { key: "p99", label: "p99 ms", better: "lower", digits: 2 },
  { key: "count", label: "hand-offs", better: "higher" },
];

const TARGETS: Readonly<Record<string, readonly Target[]>> = {
  redis: [
    { metric: "p50", of: "lease", to: "raw", atMost: 1.5 },
    { metric: "p50", of: "lease", to: "redlock 4", atMost: 1 / 50 },
    { metric: "p50", of: "lease", to: "redlock 5 beta", atMost: 1 / 50 },
  ],
  sqlite: [{ metric: "p50", of: "lease", to: "raw", atMost: 2 }],
  etcd: [{ metric: "p50", of: "lease", to: "raw", atMost: 1.4 }],
};

export const handOff: Scenario = {
  name: "hand-off",
  title: "Release to next holder, in another process, cold",
  about:
    "Two processes pass one resource to and fro. One holds it, the other asks and waits; some 10 ms later the holder " +
    "releases. Told is the time from the beginning of the release to the grant in the other process, on the clock that " +
    "both share. Pollers keep the pauses that they have by default.",
  plan: () => (["sqlite", "redis", "etcd"] as const).map(plan),
};

function plan(backend: BackendName): CasePlan {
  return {
    id: `hand-off/${backend}`,
    backend,
    title: "two processes",
    metrics: METRICS,
    targets: TARGETS[backend] ?? [],
    warmUp: false,
    open: async (context) => ({
      entrants: contendersOn(backend, context.peers, { inTurn: true }).map((contender) => ({
        name: contender.name,
        kind: contender.kind,
        packages: contender.packages,
        measure: () => handOffs(context, backend, contender),
      })),
      close: async () => {},
    }),
  };
}

async function handOffs(
  { stores, roundMs }: Context,
  backend: BackendName,
  contender: Contender,
): Promise<Sample> {
  const place = await (await stores.get(backend)).fresh();
  const samples = await withWorkers(2, { contender: contender.name, place }, async (workers) => {
    let [holder, waiter] = workers as [(typeof workers)[number], (typeof workers)[number]];
    const taken: number[] = [];
    await holder.tell("ask", RESOURCE);
    for (
      const until = performance.now() + roundMs * LONGER;
      performance.now() < until || taken.length < NOT_COUNTED + AT_LEAST;
    ) {
      const granted = waiter.tell("ask", RESOURCE);
      await sleep(REST_MS.least + Math.random() * (REST_MS.most - REST_MS.least));
      const [next, released] = await Promise.all([granted, holder.tell("release", null)]);
      taken.push(next.at - released.at);
      [holder, waiter] = [waiter, holder];
    }
    return taken.slice(NOT_COUNTED);
  });
  return {
    p50: quantile(samples, 0.5),
    p90: quantile(samples, 0.9),
    p99: quantile(samples, 0.99),
    count: samples.length,
  };
}

const RESOURCE = "src/app.ts";
