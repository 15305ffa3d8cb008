/** Acquire and release of what nobody else wants. */

import { contendersOn } from "../contenders/index.js";
import { lease } from "../contenders/lease.js";
import { sqliteRaw } from "../contenders/sqlite-raw.js";
import { BACKENDS, type BackendName, type Claimer, type Held } from "../frame/contender.js";
import { openEntrants, type Variant } from "../frame/open-entrants.js";
import { rate, rateMetrics } from "../frame/rate.js";
import type { CasePlan, Scenario, Target } from "../frame/scenario.js";
import { asTheyAre, callersCase } from "./callers-case.js";

const CALLERS = [1, 16, 128];
/** An operation takes milliseconds in etcd, and the server works in gusts. */
const LONGER_ON_ETCD = 3;
const SUBTREE = "lease, a subtree claim live";

export const pairs: Scenario = {
  name: "pairs",
  title: "Acquire and release, uncontended",
  about:
    "Every caller acquires a resource of its own and releases it, again and again, for the length of a round. All " +
    "callers of a contender share one connection in one process. History is on, as it is by default, and is pruned " +
    "between rounds.",
  plan: (concurrency) => [
    ...BACKENDS.flatMap((backend) => (concurrency ?? CALLERS).map((callers) => plan(backend, callers))),
    ...(concurrency === null ? [fullSync] : []),
  ],
};

const TARGETS: Readonly<Record<string, readonly Target[]>> = {
  // Pinned to one core; to two, where the wait for an idle core is shared by all, 0.8.
  "redis/1": [{ metric: "rate", of: "lease", to: "raw", atLeast: 0.62, stretch: 0.67 }],
  "redis/16": [
    { metric: "rate", of: "lease", to: "raw", atLeast: 1.1, stretch: 1.5 },
    { metric: "rate", of: "lease", to: "peers", atLeast: 1 },
    { metric: "rate", of: SUBTREE, to: "raw", atLeast: 1 },
    { metric: "commands", of: "lease", atMost: 2 },
  ],
  "redis/128": [
    { metric: "rate", of: "lease", to: "raw", atLeast: 1, stretch: 1.2 },
    { metric: "rate", of: "lease", to: "peers", atLeast: 1 },
    { metric: "rate", of: SUBTREE, to: "raw", atLeast: 0.8 },
    { metric: "commands", of: "lease", atMost: 2 },
  ],
  "sqlite/1": [{ metric: "rate", of: "lease", to: "raw", atLeast: 0.3, stretch: 0.4 }],
  "sqlite/16": [{ metric: "rate", of: "lease", to: "raw", atLeast: 1.3, stretch: 1.6 }],
  "sqlite/128": [{ metric: "rate", of: "lease", to: "raw", atLeast: 1.5, stretch: 2 }],
  "postgres/1": [{ metric: "rate", of: "lease", to: "raw", atLeast: 0.15 }],
  "postgres/16": [{ metric: "rate", of: "lease", to: "raw", atLeast: 0.8 }],
  "postgres/128": [{ metric: "rate", of: "lease", to: "raw", atLeast: 1.1 }],
  "etcd/16": [
    { metric: "rate", of: "lease", to: "raw", atLeast: 0.75, stretch: 0.9 },
    { metric: "rate", of: "lease", to: "peers", atLeast: 1.5 },
  ],
};

function plan(backend: BackendName, callers: number): CasePlan {
  return callersCase({
    scenario: "pairs",
    operation: "pairs",
    backend,
    callers,
    targets: TARGETS[`${backend}/${callers}`] ?? [],
    variants: ({ peers }) => [
      ...asTheyAre(contendersOn(backend, peers)),
      ...(backend === "redis" ? [withSubtreeClaim()] : []),
    ],
    ...(backend === "etcd" && { longer: LONGER_ON_ETCD }),
    act: pair,
  });
}

/** One that lies elsewhere and still has to be looked at; renewed, so that it lives for as many rounds as there are. */
function withSubtreeClaim(): Variant {
  let subtree: Held | undefined;
  return {
    contender: lease,
    name: SUBTREE,
    async prepare(claimer) {
      subtree = await claimer.take(["docs/**"], 0);
    },
    async before() {
      await subtree?.renew?.();
    },
  };
}

function pair(claimer: Claimer): (caller: number) => Promise<void> {
  return async (caller) => {
    const held = await claimer.take([`src/file-${caller}.ts`], caller);
    await held.release();
  };
}

const TOGETHER = "lease, 128 at once";
const ALONE = "lease, one at a time";

/** Synced at every commit, as the server does it: what a group of callers shares is the wait for the disk. */
const fullSync: CasePlan = {
  id: "pairs/sqlite/full",
  backend: "sqlite",
  title: "synchronous FULL",
  metrics: rateMetrics("pairs"),
  targets: [{ metric: "rate", of: TOGETHER, to: ALONE, atLeast: 15 }],
  open: (context) => {
    const place = { synchronous: "FULL" } as const;
    const variants: Variant[] = [
      { contender: lease, name: TOGETHER, place },
      { contender: lease, name: ALONE, place },
      { contender: sqliteRaw, place },
    ];
    return openEntrants(context, "sqlite", variants, ({ claimer, store }, { name }) =>
      rate({ callers: name === TOGETHER ? 128 : 1, roundMs: context.roundMs, store }, pair(claimer)),
    );
  },
};
