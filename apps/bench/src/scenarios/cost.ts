/** What metrics and events cost: processor time of a pair, on the backend that costs least itself. */
import { createLeaseManager, type LeaseBackend, type LeaseManager, memoryBackend } from "@lease/core";
import { eventRouter, listenerSink, memoryCursorStore } from "@lease/events";
import { instrumentManager, withMetrics } from "@lease/metrics";
import { Registry } from "prom-client";
import { claimerOf } from "../contenders/lease.js";
import type { Claimer } from "../frame/contender.js";
import { rate, rateMetrics } from "../frame/rate.js";
import type { CasePlan, Entrant, Metric, OpenCase, Scenario } from "../frame/scenario.js";

const CALLERS = 128;

export const cost: Scenario = {
  name: "cost",
  title: "The cost of metrics and events",
  about:
    `Acquire and release by ${CALLERS} callers on the backend in memory, plain and with what watches it: withMetrics, ` +
    "a manager with instrumentManager, a router that delivers every event to a listener. The ratio is that of processor " +
    "time: all the work is this one process's. On SQLite, Redis or etcd it is lost in the store's own time.",
  plan: () => [memoryCase],
};

const cpuFirst = (metrics: readonly Metric[]) => [
  ...metrics.filter(({ key }) => key === "clientUs"),
  ...metrics.filter(({ key }) => key !== "clientUs"),
];

const memoryCase: CasePlan = {
  id: "cost/memory",
  backend: "memory",
  title: `${CALLERS} callers at once`,
  metrics: cpuFirst(rateMetrics("pairs")),
  targets: [],
  compared: [
    { metric: "clientUs", of: "with metrics", to: "plain" },
    { metric: "clientUs", of: "with events", to: "plain" },
    { metric: "clientUs", of: "managers with metrics", to: "managers" },
  ],
  async open({ stores, roundMs }): Promise<OpenCase> {
    const store = await stores.get("memory");
    const routed = memoryBackend();
    let [heard, trouble] = [0, ""];
    const listeners = listenerSink({
      onError: (error) => {
        trouble = `${error}`;
      },
    });
    const router = eventRouter({
      backend: routed,
      cursors: memoryCursorStore(),
      sinks: { listeners },
      // Pruned between rounds: it goes on with what there is.
      whenCursorExpired: "start",
      onReport: (report) => {
        if (report.type !== "cursor-expired") trouble = report.type;
      },
    });
    listeners.on(["acquired", "released"], () => {
      heard += 1;
    });
    await router.start();

    const registry = new Registry();
    const counted = withMetrics(memoryBackend(), { registry: new Registry() });
    const instrumented = withMetrics(memoryBackend(), { registry });
    const entrant = (name: string, claimer: Claimer): Entrant => ({
      name,
      kind: "ours",
      packages: [],
      measure: () => rate({ callers: CALLERS, roundMs, store }, pair(claimer)),
      ...(claimer.tidy && { tidy: claimer.tidy }),
    });
    const entrants = [
      entrant("plain", claimerOf(memoryBackend())),
      entrant("with metrics", claimerOf(counted)),
      entrant("with events", claimerOf(routed)),
      entrant("managers", managersOf(memoryBackend())),
      entrant(
        "managers with metrics",
        managersOf(instrumented, (manager) => instrumentManager(manager, { registry })),
      ),
    ];
    return {
      entrants,
      async close() {
        await router.stop();
        if (heard === 0 || trouble !== "") throw new Error(`events were not delivered: ${trouble}`);
      },
    };
  },
};

const pair = (claimer: Claimer) => async (caller: number) => {
  await (await claimer.take([`src/file-${caller}.ts`], caller)).release();
};

function managersOf(backend: LeaseBackend, onManager: (manager: LeaseManager) => void = () => {}): Claimer {
  const managers = Array.from({ length: CALLERS }, (_, number) =>
    createLeaseManager({ backend, agentId: `agent-${number}` }),
  );
  for (const manager of managers) onManager(manager);
  return {
    ...claimerOf(backend),
    take: (names, caller) => (managers[caller] as LeaseManager).acquire(names),
  };
}
