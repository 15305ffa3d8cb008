/** A thousand leases in one process that renew by themselves: whether they are on time, and what it takes. */
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "../children/processes.js";
import type { BackendName } from "../frame/contender.js";
import { cpuOf } from "../frame/cpu.js";
import type { CasePlan, Context, Metric, OpenCase, Scenario } from "../frame/scenario.js";
import { quantile } from "../frame/stats.js";

const LEASES = 1_000;
/** Shorter than the default of 30 s, so that a round sees a renewal of each in a tenth of the time: it asks for more. */
const TTL_MS = 9_000;
/** Each renews once within it. */
const ROUND_MS = TTL_MS / 3;
/** A renewal sent so much later than planned counts as late; two more tries would still fit. */
const LATE_MS = 100;

const METRICS: readonly Metric[] = [
  { key: "core", label: "% of a core", better: "lower", digits: 2 },
  { key: "serverCore", label: "server, % of a core", better: "lower", digits: 2 },
  { key: "renewals", label: "renewals", better: "higher" },
  { key: "late", label: "late", better: "lower" },
  { key: "lateP99", label: "delay p99 ms", better: "lower", digits: 1 },
  { key: "lost", label: "lost", better: "lower" },
];

export const autoRenew: Scenario = {
  name: "auto-renew",
  title: "A thousand leases that renew by themselves",
  about:
    `One manager in a process of its own holds ${LEASES} leases with a TTL of ${TTL_MS / 1000} s, for three seconds a ` +
    "round, in which each is renewed once. (By default the TTL is 30 s, and a third of these renewals are sent.) Late is " +
    `what is sent more than ${LATE_MS} ms after it was planned.`,
  plan: () => (["sqlite", "redis", "etcd"] as const).map(plan),
};

function plan(backend: BackendName): CasePlan {
  return {
    id: `auto-renew/${backend}`,
    backend,
    title: `${LEASES.toLocaleString("en")} leases`,
    metrics: METRICS,
    targets: [
      { metric: "late", of: "lease", atMost: 0 },
      ...(backend === "etcd" ? [] : [{ metric: "core", of: "lease", atMost: 2 }]),
    ],
    warmUp: false,
    open: (context) => openKeeper(context, backend),
  };
}

async function openKeeper({ stores, scale }: Context, backend: BackendName): Promise<OpenCase> {
  const store = await stores.get(backend);
  const keeper = new Worker("keeper.worker");
  const server = async () => (store.pid === null ? null : cpuOf(store.pid));
  try {
    await keeper.tell("keep", {
      place: await store.fresh(),
      leases: Math.ceil(LEASES * scale),
      ttlMs: TTL_MS,
    });
  } catch (error) {
    keeper.kill();
    throw error;
  }
  return {
    entrants: [
      {
        name: "lease",
        kind: "ours",
        packages: [],
        async measure() {
          await keeper.tell("report", null);
          const before = await server();
          await sleep(ROUND_MS * Math.min(1, scale * 10));
          const { lateMs, lost, cpuUs, tookMs } = await keeper.tell("report", null);
          const after = await server();
          const percent = (us: number) => us / 10 / tookMs;
          return {
            core: percent(cpuUs),
            ...(before !== null && after !== null ? { serverCore: percent(after - before) } : {}),
            renewals: lateMs.length,
            late: lateMs.filter((ms) => ms > LATE_MS).length,
            lateP99: lateMs.length === 0 ? 0 : quantile(lateMs, 0.99),
            lost,
          };
        },
      },
    ],
    close: async () => keeper.kill(),
  };
}
