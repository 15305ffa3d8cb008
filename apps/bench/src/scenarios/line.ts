/** Many who want the same, back to back: how quick, how fair, and what each grant costs. */

import { withWorkers } from "../children/processes.js";
import type { LineReport } from "../children/protocol.js";
import { contendersOn } from "../contenders/index.js";
import type { BackendName, Contender } from "../frame/contender.js";
import { cpuOf } from "../frame/cpu.js";
import type { CasePlan, Context, Metric, Sample, Scenario, Target } from "../frame/scenario.js";
import { jain, overtakings, quantile } from "../frame/stats.js";

const WAITERS = [16, 200];
/** Long enough for everybody in a line of 200 to come to its turn several times. */
const LONGER = 3;
/** Two who asked within it may arrive either way round: callers' clocks see when it was asked, not when it arrived. */
const SLACK_MS = 50;

const METRICS: readonly Metric[] = [
  { key: "rate", label: "grants/s", better: "higher" },
  { key: "handOff", label: "hand-off p50 ms", better: "lower", digits: 2 },
  { key: "waitP50", label: "wait p50 ms", better: "lower", digits: 1 },
  { key: "waitP99", label: "wait p99 ms", better: "lower", digits: 1 },
  { key: "jain", label: "Jain", better: "higher", digits: 3 },
  { key: "overtaken", label: "overtakings", better: "lower" },
  { key: "commands", label: "commands", better: "lower", digits: 2 },
  { key: "clientUs", label: "client CPU µs", better: "lower" },
  { key: "serverUs", label: "server CPU µs", better: "lower" },
];

export const line: Scenario = {
  name: "line",
  title: "A contended line, hot",
  about:
    "Everybody in line wants one resource: takes it, releases it at once, and asks again, until the round is over. The " +
    "hand-off is from the beginning of a release to the next grant, in another process where there are two. Jain's " +
    "index is that of the grants that each got (1 when all got the same). An overtaking is a grant that went past " +
    `somebody who had asked at least ${SLACK_MS} ms earlier. A process has one connection. CPU and commands are told for each grant.`,
  plan: (concurrency) =>
    (["sqlite", "redis", "etcd"] as const).flatMap((backend) =>
      (concurrency ?? WAITERS).flatMap((waiters) =>
        [1, 2]
          .filter((processes) => processes <= waiters)
          .map((processes) => plan(backend, waiters, processes)),
      ),
    ),
};

function plan(backend: BackendName, waiters: number, processes: number): CasePlan {
  const fair: Target[] = [
    { metric: "jain", of: "lease", atLeast: 0.99 },
    { metric: "overtaken", of: "lease", atMost: 0 },
  ];
  return {
    id: `line/${backend}/${waiters}x${processes}`,
    backend,
    title: `${waiters} waiters in ${processes === 1 ? "one process" : `${processes} processes`}`,
    metrics: METRICS,
    targets: backend === "redis" ? [...fair, { metric: "commands", of: "lease", atMost: 3.2 }] : fair,
    warmUp: false,
    open: async (context) => ({
      // Those of others once, where the case is the most usual one: each takes as long as all of ours.
      entrants: contendersOn(backend, context.peers && waiters <= 16 && processes === 2, { inTurn: true })
        .filter(({ onlyPasses }) => !onlyPasses)
        .map((contender) => ({
          name: contender.name,
          kind: contender.kind,
          packages: contender.packages,
          measure: () => inLine(context, backend, contender, { waiters, processes }),
        })),
      close: async () => {},
    }),
  };
}

async function inLine(
  { stores, roundMs }: Context,
  backend: BackendName,
  contender: Contender,
  { waiters, processes }: { readonly waiters: number; readonly processes: number },
): Promise<Sample> {
  const store = await stores.get(backend);
  const place = await store.fresh();
  const server = async () => (store.pid === null ? null : cpuOf(store.pid));
  const seconds = (roundMs * LONGER) / 1000;
  return withWorkers(processes, { contender: contender.name, place }, async (workers) => {
    const [commands, serverCpu] = [await store.commands(contender.sends ?? []), await server()];
    const reports = await Promise.all(
      workers.map((worker, number) =>
        worker.tell("line", {
          contender: contender.name,
          place,
          seat: { number, of: processes },
          resource: "src/app.ts",
          waiters: Math.ceil((waiters - number) / processes),
          forMs: seconds * 1000,
        }),
      ),
    );
    const [commandsAfter, serverAfter] = [await store.commands(contender.sends ?? []), await server()];
    const sample = sampleOf(reports, seconds);
    const grants = (sample.rate as number) * seconds;
    return {
      ...sample,
      ...(commands !== null && commandsAfter !== null
        ? { commands: (commandsAfter - commands) / grants }
        : {}),
      ...(serverCpu !== null && serverAfter !== null ? { serverUs: (serverAfter - serverCpu) / grants } : {}),
    };
  });
}

/** What all saw together. */
export function sampleOf(reports: readonly LineReport[], seconds: number): Sample {
  const turns = reports.flatMap(({ turns }, process) =>
    turns.map(([caller, askedAt, grantedAt, releasedAt]) => ({
      process,
      caller,
      askedAt,
      grantedAt,
      releasedAt,
    })),
  );
  const granted = turns
    .flatMap((turn) =>
      turn.grantedAt === null
        ? []
        : [{ ...turn, grantedAt: turn.grantedAt, releasedAt: turn.releasedAt as number }],
    )
    .sort((a, b) => a.grantedAt - b.grantedAt);
  const handOffs = granted.flatMap((turn, index) => {
    const next = granted[index + 1];
    if (next === undefined || (reports.length > 1 && next.process === turn.process)) return [];
    return [next.grantedAt - turn.releasedAt];
  });
  const waits = granted.map(({ askedAt, grantedAt }) => grantedAt - askedAt);
  // Also those who got nothing.
  const shares = new Map(turns.map(({ process, caller }) => [`${process}/${caller}`, 0]));
  for (const { process, caller } of granted) {
    const key = `${process}/${caller}`;
    shares.set(key, (shares.get(key) ?? 0) + 1);
  }
  return {
    rate: granted.length / seconds,
    handOff: quantile(handOffs, 0.5),
    waitP50: quantile(waits, 0.5),
    waitP99: quantile(waits, 0.99),
    jain: jain([...shares.values()]),
    overtaken: overtakings(turns, SLACK_MS),
    clientUs: reports.reduce((sum, { cpuUs }) => sum + cpuUs, 0) / granted.length,
  };
}
