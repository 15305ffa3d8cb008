/** A hundred thousand live leases: what they cost, and what they make dearer. */
import type { LeaseBackend } from "@lease/core";
import { databaseOf, openBackendAt } from "../contenders/backends.js";
import { claimerOf, requestFor } from "../contenders/lease.js";
import { openSqlite } from "../contenders/sqlite-driver.js";
import type { BackendName, Place } from "../frame/contender.js";
import { rate } from "../frame/rate.js";
import type {
  CasePlan,
  Context,
  Entrant,
  Metric,
  OpenCase,
  Sample,
  Scenario,
  Target,
} from "../frame/scenario.js";
import type { Store } from "../frame/stores.js";

const MANY = 100_000;
const SOME = 1_000;
const OF_ONE_AGENT = 100;
const CALLERS = 16;
const LOADERS = 256;
/** They outlive the run. */
const TTL_MS = 3_600_000;

const NONE = "none live";
const FULL = "100,000 live";
const NONE_SUBTREE = `${NONE}, a subtree claim`;
const FULL_SUBTREE = `${FULL}, a subtree claim`;
const SOME_LISTED = "1,000 live, listed";
const FULL_LISTED = `${FULL}, listed`;

interface Crowd {
  readonly name: string;
  readonly live: number;
  readonly subtree?: boolean;
  /** Listed by agent; apart from the others, since the first list of many makes some backends build an index. */
  readonly listed?: boolean;
}

/** What an entrant finds when it begins. */
const CROWDS: readonly Crowd[] = [
  { name: FULL, live: MANY },
  { name: FULL_SUBTREE, live: MANY, subtree: true },
  { name: NONE, live: 0 },
  { name: NONE_SUBTREE, live: 0, subtree: true },
  { name: FULL_LISTED, live: MANY, listed: true },
  { name: SOME_LISTED, live: SOME, listed: true },
];

const METRICS: readonly Metric[] = [
  { key: "rate", label: "pairs/s", better: "higher" },
  { key: "clientUs", label: "client CPU µs", better: "lower", digits: 1 },
  { key: "serverUs", label: "server CPU µs", better: "lower", digits: 1 },
  { key: "lists", label: "lists of 100/s", better: "higher" },
  { key: "subtrees", label: "subtree pairs/s", better: "higher" },
  { key: "bytes", label: "bytes a lease", better: "lower" },
];

/** That listing is no dearer, within what rounds differ by. */
const NO_DEARER = 0.9;

const TARGETS: Readonly<Record<string, readonly Target[]>> = {
  sqlite: [
    { metric: "rate", of: FULL, to: NONE, atLeast: 0.8 },
    { metric: "lists", of: FULL_LISTED, to: SOME_LISTED, atLeast: NO_DEARER },
    { metric: "bytes", of: FULL, atMost: 350 },
  ],
  redis: [
    { metric: "rate", of: FULL, to: NONE, atLeast: 0.75 },
    { metric: "rate", of: FULL_SUBTREE, to: NONE, atLeast: 0.5 },
    { metric: "lists", of: FULL_LISTED, to: SOME_LISTED, atLeast: NO_DEARER },
    { metric: "bytes", of: FULL, atMost: 550 },
    { metric: "bytes", of: FULL_SUBTREE, atMost: 700 },
  ],
};

export const crowd: Scenario = {
  name: "crowd",
  title: "A hundred thousand live leases",
  about:
    `Acquire and release by ${CALLERS} callers of what nobody wants, while so many other leases live; listing one ` +
    "agent's 100 leases; acquire and release of a subtree claim that lies beside them all. Bytes are what the live " +
    "leases take once their history is pruned: of Redis's memory, of SQLite's file. Not on etcd, where loading them " +
    "would take most of the time of a run.",
  plan: () => (["sqlite", "redis"] as const).map(plan),
};

function plan(backend: BackendName): CasePlan {
  return {
    id: `crowd/${backend}`,
    backend,
    title: "100,000 live",
    metrics: METRICS,
    targets: TARGETS[backend] ?? [],
    compared: [{ metric: "subtrees", of: FULL_SUBTREE, to: NONE_SUBTREE }],
    open: (context) => openCrowds(context, backend),
  };
}

async function openCrowds(context: Context, backend: BackendName): Promise<OpenCase> {
  const store = await context.stores.get(backend);
  const place = await store.fresh();
  const backends: LeaseBackend[] = [];
  const entrants: Entrant[] = [];
  const close = async () => {
    for (const each of backends) await each.close();
  };
  try {
    for (const { name, live, subtree = false, listed = false } of CROWDS) {
      const own = { ...place, namespace: `${place.namespace}-${backends.length}` };
      const opened = await openBackendAt(own);
      backends.push(opened);
      const bytes = await loaded(opened, { live: Math.ceil(live * context.scale), subtree }, () =>
        sizeOf(store, own),
      );
      entrants.push({
        name,
        kind: "ours",
        packages: [],
        measure: async () => ({
          ...(await inCrowd(opened, store, context.roundMs, { listed, subtree })),
          ...(bytes === null || live < MANY ? {} : { bytes }),
        }),
        tidy: () => pruned(opened),
      });
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { entrants, close };
}

/** Makes them live, and says how many bytes each takes. */
async function loaded(
  backend: LeaseBackend,
  { live, subtree }: { readonly live: number; readonly subtree: boolean },
  size: () => Promise<number | null>,
): Promise<number | null> {
  await backend.acquire({ ...requestFor(["first"], 0), agentId: "first", ttlMs: TTL_MS });
  const before = await size();
  let next = 0;
  await Promise.all(
    Array.from({ length: Math.min(LOADERS, live) }, async () => {
      while (next < live) {
        const number = next;
        next += 1;
        const agentId = agentOf(number);
        const request = requestFor([`load/dir-${number % SOME}/file-${number}.ts`], 0);
        const { status } = await backend.acquire({ ...request, agentId, ttlMs: TTL_MS });
        if (status !== "granted") throw new Error(`${agentId} should be granted, not ${status}`);
      }
    }),
  );
  if (subtree) await backend.acquire({ ...requestFor(["docs/**"], 0), ttlMs: TTL_MS });
  await pruned(backend);
  const after = await size();
  return before === null || after === null || live === 0 ? null : (after - before) / live;
}

const agentOf = (number: number) => `agent-${Math.floor(number / OF_ONE_AGENT)}`;

async function pruned(backend: LeaseBackend): Promise<void> {
  while ((await backend.sweep({ historyRetentionMs: 0 })).pruned > 0);
}

async function sizeOf(store: Store, place: Place): Promise<number | null> {
  if (place.backend !== "sqlite") return store.memory();
  const db = openSqlite(databaseOf(place));
  try {
    const pragma = (name: string) => Number(db.pragma(name, { simple: true }));
    return (pragma("page_count") - pragma("freelist_count")) * pragma("page_size");
  } finally {
    db.close();
  }
}

async function inCrowd(
  backend: LeaseBackend,
  store: Store,
  roundMs: number,
  { listed, subtree }: { readonly listed: boolean; readonly subtree: boolean },
): Promise<Sample> {
  const claimer = claimerOf(backend);
  const half = roundMs / 2;
  const pairsOf = (names: (caller: number) => readonly string[]) => async (caller: number) => {
    await (await claimer.take(names(caller), caller)).release();
  };
  const {
    rate: pairs,
    clientUs,
    serverUs,
  } = await rate(
    { callers: CALLERS, roundMs, store },
    pairsOf((caller) => [`src/file-${caller}.ts`]),
  );
  const sample: Record<string, number> = { rate: pairs as number, clientUs: clientUs as number };
  if (serverUs !== undefined) sample.serverUs = serverUs;
  if (listed) {
    const lists = await rate({ callers: 1, roundMs: half, store }, async () => {
      const { leases } = await backend.list({ agentId: agentOf(0), limit: OF_ONE_AGENT });
      if (leases.length === 0) throw new Error("the agent should have leases");
    });
    sample.lists = lists.rate as number;
  }
  // Only where one lives already: the first subtree claim of all makes some backends build an index.
  if (subtree) {
    const claimed = await rate(
      { callers: CALLERS, roundMs: half, store },
      pairsOf((caller) => [`zone-${caller}/**`]),
    );
    sample.subtrees = claimed.rate as number;
  }
  return sample;
}
