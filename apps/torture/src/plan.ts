/** What a run does, drawn from its seed before it begins. Times in milliseconds. */
import type { Claim } from "@lease/core";
import { KINDS, type Kind } from "./kinds.js";
import { Random } from "./random.js";

/** The longest TTL of a request; renewals by hand may ask for {@link LONGEST_MS}. */
export const MAX_TTL_MS = 3_000;
export const LONGEST_MS = 2 * MAX_TTL_MS;

const AGENTS = ["alice", "bob", "carol", "dave"];
const RESOURCES = ["a", "b", "c", "d/x", "d/y", "d/**", "**"];
/** Holder and store may differ by 1 % (`DEFAULTS.driftPart`), so each by half of it. */
const DRIFT = 0.0049;

export interface Plan {
  readonly seed: number;
  readonly kinds: ReadonlySet<Kind>;
  readonly storeRate: number;
  readonly machines: readonly { readonly rate: number; readonly startedMs: number }[];
  readonly agents: readonly AgentPlan[];
  readonly acts: readonly TimedAct[];
  /** How long all of this goes on; after it nothing misbehaves any more. */
  readonly wildMs: number;
  /** Whether machines have a clock that counts sleep. */
  readonly hasBootClock: boolean;
  /** The share of messages that something happens to. */
  readonly faults: number;
}

export interface AgentPlan {
  readonly agentId: string;
  readonly machine: number;
  readonly followLosses: boolean;
  readonly sequential: boolean;
}

export interface AskPlan {
  readonly how: "acquire" | "try" | "with";
  readonly claims: readonly Claim[];
  readonly ttlMs: number;
  readonly waitMs: number;
  readonly waitTtlMs: number;
  readonly autoRenew: boolean;
  readonly maxRenewals: number | null;
  readonly maxHoldMs: number | null;
  readonly abort: AbortPlan | null;
  readonly use: UsePlan;
}

/** `after` so many ms, or with an answer of the store, `turns` of the microtask queue later (-1: just before it). */
type AbortPlan = { readonly after: number } | { readonly answer: number; readonly turns: number };

/** What is done with what was granted. */
export interface UsePlan {
  readonly steps: readonly UseStep[];
  /** `false`: it is kept until it is lost or its manager is closed. */
  readonly releases: boolean;
  /** Whether it is released when somebody asks for it back. */
  readonly yields: boolean;
}

export type UseStep =
  | { readonly do: "work"; readonly ms: number }
  | { readonly do: "write"; readonly slow: boolean }
  | { readonly do: "renew"; readonly ttlMs: number | null }
  | { readonly do: "nest"; readonly ask: AskPlan };

/** `pick` from 0 to below 1 chooses among what there is at that moment. */
export type Act =
  | { readonly do: "ask"; readonly agent: number; readonly ask: AskPlan }
  | { readonly do: "abort" | "release"; readonly pick: number }
  | { readonly do: "stop" | "crash"; readonly agent: number; readonly ms: number }
  | { readonly do: "close"; readonly agent: number; readonly drainMs: number; readonly withinMs: number }
  | { readonly do: "sleep" | "wall"; readonly machine: number; readonly ms: number }
  | { readonly do: "store-stop" | "store-wall"; readonly ms: number }
  | { readonly do: "revoke"; readonly pick: number; readonly graceMs: number }
  | { readonly do: "sweep" };

type TimedAct = Act & { readonly at: number };

/**
 * @param only - the kinds that may happen; each seed has some of them
 */
export function planOf(seed: number, only: readonly Kind[] = KINDS): Plan {
  const random = new Random(seed);
  const kinds = new Set(only.filter(() => random.chance(0.6)));
  const hasBootClock = random.chance(0.7);
  // Without that clock a sleep cannot be told from a wall clock that was set back (README of core).
  if (!hasBootClock && kinds.has("sleep") && kinds.has("wall-back")) {
    kinds.delete(random.of(["sleep", "wall-back"]));
  }
  const rate = () => (kinds.has("drift") ? 1 + (random.next() * 2 - 1) * DRIFT : 1);
  const machines = Array.from({ length: random.between(2, 5) }, () => ({
    rate: rate(),
    startedMs: random.between(1_000, 1_000_000),
  }));
  const agents = AGENTS.slice(0, random.between(2, AGENTS.length + 1)).map((agentId, index) => ({
    agentId,
    machine: index % machines.length,
    followLosses: kinds.has("feed") && random.chance(0.5),
    sequential: random.chance(0.1),
  }));
  const wildMs = random.between(4_000, 14_000);
  const acts = actsOf(random, kinds, { agents: agents.length, machines: machines.length, wildMs });
  return {
    seed,
    kinds,
    storeRate: rate(),
    machines,
    agents,
    acts,
    wildMs,
    hasBootClock,
    faults: random.of([0.05, 0.15, 0.4]),
  };
}

interface Bounds {
  readonly agents: number;
  readonly machines: number;
  readonly wildMs: number;
}

function actsOf(random: Random, kinds: ReadonlySet<Kind>, { agents, machines, wildMs }: Bounds): TimedAct[] {
  // Few resources or many: both crowds and quiet corners.
  const resources = RESOURCES.slice(0, random.between(1, RESOURCES.length + 1));
  const agent = () => random.between(0, agents);
  const machine = () => random.between(0, machines);
  /** Mostly shorter than a lease lives, sometimes longer. */
  const away = () => random.between(20, random.chance(0.3) ? 2 * MAX_TTL_MS : 800);

  const asks: Act[] = Array.from({ length: random.between(8, 40) }, () => ({
    do: "ask",
    agent: agent(),
    ask: askOf(random, kinds, resources, 3),
  }));
  const others: Act[] = Array.from({ length: random.between(4, 20) }, () => {
    const kind = random.of(KINDS);
    return kinds.has(kind) ? actOf(kind) : null;
  }).filter((act) => act !== null);

  function actOf(kind: Kind): Act | null {
    switch (kind) {
      case "sleep":
        return { do: "sleep", machine: machine(), ms: away() };
      case "stop":
        return { do: "stop", agent: agent(), ms: away() };
      case "store-stop":
        return { do: "store-stop", ms: away() };
      case "wall-forward":
      case "wall-back": {
        const ms = kind === "wall-back" ? -away() : away();
        return random.chance(0.2) ? { do: "store-wall", ms } : { do: "wall", machine: machine(), ms };
      }
      case "crash":
        return { do: "crash", agent: agent(), ms: away() };
      case "close": {
        const drainMs = random.chance(0.5) ? 0 : away();
        return { do: "close", agent: agent(), drainMs, withinMs: random.of([0, 500, 10_000]) };
      }
      case "soft-revoke":
        return { do: "revoke", pick: random.next(), graceMs: random.between(1, 1_500) };
      case "hard-revoke":
        return { do: "revoke", pick: random.next(), graceMs: 0 };
      case "abort":
        return { do: "abort", pick: random.next() };
      case "sweep":
        return { do: "sweep" };
      default:
        return random.chance(0.5) ? { do: "release", pick: random.next() } : null;
    }
  }

  return [...asks, ...others]
    .map((act) => ({ ...act, at: random.between(0, wildMs) }))
    .sort((a, b) => a.at - b.at);
}

function askOf(
  random: Random,
  kinds: ReadonlySet<Kind>,
  resources: readonly string[],
  levels: number,
): AskPlan {
  const count = random.chance(0.7) ? 1 : 2;
  const wanted = new Set(Array.from({ length: count }, () => random.of(resources)));
  const isLimited = kinds.has("limits") && random.chance(0.3);
  const waitMs = random.of([
    0,
    random.between(1, 1_000),
    random.between(1_000, 8_000),
    8_000,
    Number.POSITIVE_INFINITY,
  ]);
  return {
    how: random.of(["acquire", "acquire", "acquire", "try", "with"]),
    claims: [...wanted].map((resource) => ({
      resource,
      mode: random.chance(0.25) ? "shared" : "exclusive",
    })),
    ttlMs: random.of([400, 1_000, 2_000, MAX_TTL_MS]),
    waitMs,
    waitTtlMs: random.of([500, 1_500, MAX_TTL_MS]),
    autoRenew: random.chance(0.85),
    maxRenewals: isLimited && random.chance(0.6) ? random.between(0, 4) : null,
    maxHoldMs: isLimited && random.chance(0.6) ? random.between(100, 4_000) : null,
    abort: kinds.has("abort") && random.chance(0.3) ? abortOf(random) : null,
    use: useOf(random, kinds, resources, levels),
  };
}

function abortOf(random: Random): AbortPlan {
  if (random.chance(0.4)) return { after: random.between(0, random.chance(0.5) ? 20 : 3_000) };
  return { answer: random.between(1, 4), turns: random.between(-1, 12) };
}

function useOf(
  random: Random,
  kinds: ReadonlySet<Kind>,
  resources: readonly string[],
  levels: number,
): UsePlan {
  const steps = Array.from({ length: random.between(1, 6) }, (): UseStep => {
    const luck = random.next();
    if (luck < 0.15 && kinds.has("nested") && levels > 1) {
      return { do: "nest", ask: askOf(random, kinds, resources, levels - 1) };
    }
    if (luck < 0.3 && kinds.has("renew")) {
      return { do: "renew", ttlMs: random.chance(0.5) ? null : random.between(100, LONGEST_MS) };
    }
    if (luck < 0.6) return { do: "write", slow: random.chance(0.5) };
    return { do: "work", ms: random.between(1, random.chance(0.3) ? 4_000 : 500) };
  });
  return { steps, releases: random.chance(0.9), yields: random.chance(0.7) };
}
