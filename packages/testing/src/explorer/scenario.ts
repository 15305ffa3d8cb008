/** What the explorer is given: who wants what, and how much may go wrong. Time is counted in ticks. */
import type { Claim } from "@lease/core";
import { MemoryStore } from "@lease/core/backend";

/** A client that follows the holder's protocol, in any order that the protocol allows. */
export interface ClientPlan {
  readonly claims: readonly Claim[];
  /** TTL of its lease, in ticks. */
  readonly ttl: number;
  /** Life of its queued request, in ticks; `null`: it does not wait. */
  readonly waitTtl: number | null;
  readonly maxRenewals: number | null;
  /** TTLs that its renewals may name. Empty: it never renews. */
  readonly renewTtls: readonly number[];
  /** Counts that its renewals may state instead of the right one, as after a restart of its process or a lost file. */
  readonly wrongCounts?: readonly number[];
  /** How many ids it may use, one after the other. */
  readonly lives: number;
  /** How many messages it may send in all. */
  readonly sends: number;
  /** How it fails to follow the protocol; left out: it follows it. */
  readonly fault?: ClientFault;
}

/**
 * - `deadline-from-reply`: counts its deadline from the arrival of the answer, not from when it asked
 * - `deadline-from-ttl`: counts on its whole TTL, though the answer says how much is left
 * - `release-unanswered`: releases where it must abandon: with an acquire of the same id still under way
 */
export type ClientFault = "deadline-from-reply" | "deadline-from-ttl" | "release-unanswered";

/** A small world for the explorer: who is in it, and what may go wrong. */
export interface Scenario {
  readonly name: string;
  readonly clients: readonly ClientPlan[];
  /** How far time may go. */
  readonly ticks: number;
  /** How many messages the network may deliver twice, the second time whenever it likes. */
  readonly doubles: number;
  /** How many leases somebody else may end at once, whoever holds them. */
  readonly hardRevokes: number;
  /** How many may be asked back with a grace of one tick. */
  readonly softRevokes: number;
  /** How often somebody sweeps. */
  readonly sweeps: number;
  /** The store explored. Default: the specification. */
  readonly Store?: typeof MemoryStore;
}

const exclusive = (...resources: string[]): Claim[] =>
  resources.map((resource) => ({ resource, mode: "exclusive" }));
const shared = (...resources: string[]): Claim[] =>
  resources.map((resource) => ({ resource, mode: "shared" }));

const client: ClientPlan = {
  claims: exclusive("r"),
  ttl: 1,
  waitTtl: 1,
  maxRenewals: null,
  renewTtls: [],
  lives: 1,
  sends: 2,
};
const calm = { doubles: 0, hardRevokes: 0, softRevokes: 0, sweeps: 0 } as const;

/**
 * Small worlds that between them contain every trace that ever broke a draft. A message is lost by never being
 * delivered, and late by being delivered after anything else: every order is tried. Each number is as small as still
 * catches every fault in `test/explorer.test.ts`; one more of anything multiplies the states by five.
 */
export const SCENARIOS: readonly Scenario[] = Object.freeze([
  {
    ...calm,
    name: "two waiters",
    clients: [client, client],
    ticks: 2,
  },
  {
    ...calm,
    name: "asking again",
    clients: [
      { ...client, ttl: 2, waitTtl: 2, sends: 3 },
      { ...client, sends: 1 },
    ],
    ticks: 3,
  },
  {
    ...calm,
    name: "a second life",
    clients: [
      { ...client, sends: 3, lives: 2 },
      { ...client, sends: 1 },
    ],
    ticks: 2,
    sweeps: 1,
  },
  {
    ...calm,
    name: "renewals",
    clients: [
      { ...client, ttl: 2, maxRenewals: 1, renewTtls: [1], sends: 3 },
      { ...client, sends: 1 },
    ],
    ticks: 3,
  },
  {
    ...calm,
    name: "renewals that count wrongly",
    clients: [{ ...client, ttl: 2, renewTtls: [2], wrongCounts: [1, Number.MAX_SAFE_INTEGER], sends: 3 }],
    ticks: 2,
    doubles: 1,
  },
  {
    ...calm,
    name: "messages delivered twice",
    clients: [
      { ...client, renewTtls: [2] },
      { ...client, sends: 1 },
    ],
    ticks: 2,
    doubles: 1,
  },
  {
    ...calm,
    name: "revokes",
    clients: [
      { ...client, renewTtls: [1] },
      { ...client, sends: 1 },
    ],
    ticks: 2,
    hardRevokes: 1,
    softRevokes: 1,
  },
  {
    ...calm,
    name: "three in the queue",
    clients: [
      { ...client, claims: shared("a/b") },
      { ...client, claims: exclusive("a/**"), sends: 1 },
      { ...client, claims: [...shared("a/b"), ...exclusive("c")], sends: 1 },
    ],
    ticks: 2,
  },
]);

/** The store of a scenario, empty. */
export function emptyStore({ Store = MemoryStore }: Scenario): MemoryStore {
  return new Store({ epoch: "explored", endMemoryMs: 1000 });
}
