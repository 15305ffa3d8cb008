/** Eight resources at once: all or nothing, in one call. */
import { contendersOn } from "../contenders/index.js";
import type { BackendName, Claimer } from "../frame/contender.js";
import type { CasePlan, Scenario, Target } from "../frame/scenario.js";
import { asTheyAre, callersCase } from "./callers-case.js";

const RESOURCES = 8;
const CALLERS = [1, 16];

const TARGETS: Readonly<Record<string, readonly Target[]>> = {
  "redis/1": [
    { metric: "rate", of: "lease", to: "raw", atLeast: 0.75 },
    { metric: "commands", of: "lease", atMost: 2 },
  ],
  "redis/16": [
    { metric: "rate", of: "lease", to: "raw", atLeast: 0.75 },
    { metric: "commands", of: "lease", atMost: 2 },
  ],
  "sqlite/1": [{ metric: "rate", of: "lease", to: "raw", atLeast: 0.35 }],
  "sqlite/16": [{ metric: "rate", of: "lease", to: "raw", atLeast: 0.8 }],
};

export const eight: Scenario = {
  name: "eight",
  title: "Eight resources at once",
  about:
    "As the pairs, but each acquire takes eight resources, all or nothing. The raw operations do the same in one script " +
    "(Redis) or one transaction (SQLite, etcd) each way. Peers that can only take one at a time are left out.",
  plan: (concurrency) =>
    (["sqlite", "redis", "etcd"] as const).flatMap((backend) =>
      (concurrency ?? CALLERS).map((callers) => plan(backend, callers)),
    ),
};

function plan(backend: BackendName, callers: number): CasePlan {
  return callersCase({
    scenario: "eight",
    operation: "pairs",
    backend,
    callers,
    targets: TARGETS[`${backend}/${callers}`] ?? [],
    variants: ({ peers }) => asTheyAre(contendersOn(backend, peers).filter(({ takesMany }) => takesMany)),
    act: takeEight,
  });
}

function takeEight(claimer: Claimer): (caller: number) => Promise<void> {
  return async (caller) => {
    const names = Array.from({ length: RESOURCES }, (_, index) => `src/part-${caller}/file-${index}.ts`);
    const held = await claimer.take(names, caller);
    await held.release();
  };
}
