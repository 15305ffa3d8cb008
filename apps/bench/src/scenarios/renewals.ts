/** A lease that is held for a while: acquire, three renewals, release. */
import { contendersOn } from "../contenders/index.js";
import type { BackendName, Claimer } from "../frame/contender.js";
import type { CasePlan, Scenario } from "../frame/scenario.js";
import { asTheyAre, callersCase } from "./callers-case.js";

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
  return callersCase({
    scenario: "renewals",
    operation: "leases",
    backend,
    callers,
    targets: [],
    variants: ({ peers }) => asTheyAre(contendersOn(backend, peers).filter(({ renews }) => renews)),
    act: live,
  });
}

function live(claimer: Claimer): (caller: number) => Promise<void> {
  return async (caller) => {
    const held = await claimer.take([`src/file-${caller}.ts`], caller);
    if (held.renew === undefined) throw new Error("it cannot renew");
    for (let renewal = 0; renewal < RENEWALS; renewal += 1) await held.renew();
    await held.release();
  };
}
