/** A lease that is held for a while: acquire, three renewals, release. */
import { contendersOn } from "../contenders/index.js";
import type { BackendName, Claimer } from "../frame/contender.js";
import { openEntrants } from "../frame/open-entrants.js";
import { rate, rateMetrics } from "../frame/rate.js";
import type { CasePlan, Scenario } from "../frame/scenario.js";

const RENEWALS = 3;
const CALLERS = [16];

export const renewals: Scenario = {
  name: "renewals",
  title: "Acquire, three renewals, release",
  about:
    "As the pairs, with three renewals in between, each told in the history. Peers that renew only by themselves are " +
    "left out, and so are those with no time limit at all.",
  plan: (concurrency) =>
    (["memory", "sqlite", "redis", "etcd"] as const).flatMap((backend) =>
      (concurrency ?? CALLERS).map((callers) => plan(backend, callers)),
    ),
};

function plan(backend: BackendName, callers: number): CasePlan {
  return {
    id: `renewals/${backend}/${callers}`,
    backend,
    title: callers === 1 ? "one caller" : `${callers} callers at once`,
    metrics: rateMetrics("leases"),
    targets: [],
    open: (context) =>
      openEntrants(
        context,
        backend,
        contendersOn(backend, context.peers)
          .filter(({ renews }) => renews)
          .map((contender) => ({ contender })),
        ({ claimer, contender: { sends }, store }) =>
          rate({ callers, roundMs: context.roundMs, store, ...(sends && { sends }) }, live(claimer)),
      ),
  };
}

function live(claimer: Claimer): (caller: number) => Promise<void> {
  return async (caller) => {
    const held = await claimer.take([`src/file-${caller}.ts`], caller);
    if (held.renew === undefined) throw new Error("it cannot renew");
    for (let renewal = 0; renewal < RENEWALS; renewal += 1) await held.renew();
    await held.release();
  };
}
