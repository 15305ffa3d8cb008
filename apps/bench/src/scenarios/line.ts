/** Many who want the same, back to back: how quick, how fair, and what each grant costs. */

import { setTimeout as sleep } from "node:timers/promises";
import { withWorkers } from "../children/processes.js";
import { monotonicMs, type Turn } from "../children/protocol.js";
import { contendersOn } from "../contenders/index.js";
import { manager } from "../contenders/manager.js";
import type { BackendName, Contender } from "../frame/contender.js";
import { cpuOf } from "../frame/cpu.js";
import type { CasePlan, Context, Metric, Sample, Scenario, Target } from "../frame/scenario.js";
import { jain, overtakings, quantile } from "../frame/stats.js";

const WAITERS = [16, 200];
/** A round is so much longer than one of a rate; in a long line more, so that everybody comes to its turn several times. */
const LONGER = 3;
const MUCH_LONGER = 8;
/** So often everybody must have been able to come to a turn, for fairness to be told. */
const LAPS = 5;
/** Two who asked within it may arrive either way round: callers' clocks see when it was asked, not when it arrived. */
const SLACK_MS = 50;

const METRICS: readonly Metric[] = [
  { key: "handOff", label: "hand-off p50 ms", better: "lower", digits: 2 },
  { key: "rate", label: "grants/s", better: "higher" },
  { key: "waitP50", label: "wait p50 ms", better: "lower", digits: 1 },
  { key: "waitP99", label: "wait p99 ms", better: "lower", digits: 1 },
  { key: "waitMost", label: "longest wait ms", better: "lower", digits: 1 },
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
    `index is that of the grants that each got (1 when all got the same), told where there were ${LAPS} for each. An ` +
    `overtaking is a grant that went past somebody who had asked at least ${SLACK_MS} ms earlier. A process has one ` +
    "connection. CPU and commands are told for each grant.",
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
    { metric: "overtaken", of: "lease", atMost: 0 },
    ...(backend === "etcd" ? [] : [{ metric: "jain", of: "lease", atLeast: 0.99 }]),
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
        .filter(({ onlyPasses = false, name }) => !onlyPasses && (waiters <= 16 || name !== manager.name))
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
  return withWorkers(processes, { contender: contender.name, place }, async (workers) => {
    const gate = workers[0] as (typeof workers)[number];
    const commands = () => store.commands(contender.sends ?? []);
    // All stand in line before it begins: what it costs to enter is then in the window as often as to be served.
    await gate.tell("ask", RESOURCE);
    await Promise.all(
      workers.map((worker, number) =>
        worker.tell("line", { resource: RESOURCE, waiters: Math.ceil((waiters - number) / processes) }),
      ),
    );
    await untilQuiet(commands);
    const pids = [store.pid, ...workers.map(({ pid }) => pid)];
    const before = [await commands(), ...(await cpuOfAll(pids))];
    const { at: begun } = await gate.tell("release", null);
    await sleep(roundMs * (waiters > 16 ? MUCH_LONGER : LONGER));
    const turns = await Promise.all(workers.map((worker) => worker.tell("stop", null)));
    const ended = monotonicMs();
    const after = [await commands(), ...(await cpuOfAll(pids))];
    const [sent, server, ...clients] = after.map((value, index) => {
      const earlier = before[index];
      return value === null || earlier === null || earlier === undefined ? null : value - earlier;
    });
    const { grants, ...sample } = whatTheySaw(turns, begun, ended);
    return {
      ...sample,
      ...perGrant("commands", sent, grants),
      ...perGrant("serverUs", server, grants),
      ...(clients.includes(null)
        ? {}
        : { clientUs: clients.reduce<number>((sum, us) => sum + (us as number), 0) / grants }),
    };
  });
}

const RESOURCE = "src/app.ts";
const QUIET_MS = 100;
/** Who polls is never quiet; and where nothing counts commands, this long must do. */
const SETTLE_AT_MOST_MS = 1_000;
const SETTLE_UNSEEN_MS = 400;

/** Until the server is sent nothing more. */
async function untilQuiet(commands: () => Promise<number | null>): Promise<void> {
  let last = await commands();
  if (last === null) return void (await sleep(SETTLE_UNSEEN_MS));
  for (const until = performance.now() + SETTLE_AT_MOST_MS; performance.now() < until; ) {
    await sleep(QUIET_MS);
    const now = await commands();
    if (now === last) return;
    last = now;
  }
}

async function cpuOfAll(pids: readonly (number | null)[]): Promise<(number | null)[]> {
  return Promise.all(pids.map((pid) => (pid === null ? null : cpuOf(pid))));
}

function perGrant(key: string, value: number | null | undefined, grants: number): Sample {
  return value === null || value === undefined ? {} : { [key]: value / grants };
}

/** What all processes saw together, of what was granted between the two times. */
export function whatTheySaw(
  seen: readonly (readonly Turn[])[],
  begun: number,
  ended: number,
): Sample & { readonly grants: number } {
  const turns = seen.flatMap((turns, process) =>
    turns.map(([caller, askedAt, grantedAt, releasedAt]) => ({
      who: `${process}/${caller}`,
      process,
      askedAt,
      grantedAt,
      releasedAt,
    })),
  );
  const granted = turns
    .flatMap((turn) => (turn.grantedAt === null ? [] : [{ ...turn, grantedAt: turn.grantedAt }]))
    .sort((a, b) => a.grantedAt - b.grantedAt);
  const handOffs = granted.flatMap((turn, index) => {
    const next = granted[index + 1];
    if (next === undefined || (seen.length > 1 && next.process === turn.process)) return [];
    return [next.grantedAt - (turn.releasedAt ?? turn.grantedAt)];
  });
  // Since the line began to move; and who still waits has waited until now at least.
  const waits = turns.map(({ askedAt, grantedAt }) => (grantedAt ?? ended) - Math.max(askedAt, begun));
  // Also those who got nothing.
  const shares = new Map(turns.map(({ who }) => [who, 0]));
  for (const { who } of granted) shares.set(who, (shares.get(who) ?? 0) + 1);
  return {
    grants: granted.length,
    rate: granted.length / ((ended - begun) / 1000),
    handOff: quantile(handOffs, 0.5),
    waitP50: quantile(waits, 0.5),
    waitP99: quantile(waits, 0.99),
    waitMost: Math.max(...waits),
    // Of whoever had one turn and whoever had none, where nobody could have had more, it would tell nothing.
    ...(granted.length < shares.size * LAPS ? {} : { jain: jain([...shares.values()]) }),
    overtaken: overtakings(turns, SLACK_MS),
  };
}
