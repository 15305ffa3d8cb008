/** What is done with contenders: one file a scenario, in `scenarios/`; each plans cases, which the runner measures. */
import type { BackendName, Kind } from "./contender.js";
import type { Stores } from "./stores.js";

export interface Scenario {
  /** The word on the command line. */
  readonly name: string;
  readonly title: string;
  /** What is measured and how, for the report. */
  readonly about: string;
  /** `concurrency`: callers at once, instead of the usual numbers; not every scenario has them. */
  plan(concurrency: readonly number[] | null): readonly CasePlan[];
}

/** One table of the report. */
export interface CasePlan {
  /** `pairs/redis/16`: what a comparison of two results goes by. */
  readonly id: string;
  readonly backend: BackendName;
  readonly title: string;
  /** The first one is the one that ratios are told of. */
  readonly metrics: readonly Metric[];
  readonly targets: readonly Target[];
  /** Told without anything being aimed at, beside ours to each of the raw ones and the peers. */
  readonly compared?: readonly Aim[];
  /** When rounds need not be as many as usual. */
  readonly mostRounds?: number;
  /** Whether a round that does not count goes first; default true. Not where each round starts processes anew. */
  readonly warmUp?: boolean;
  open(context: Context): Promise<OpenCase>;
}

export interface OpenCase {
  readonly entrants: readonly Entrant[];
  close(): Promise<void>;
}

/** A contender in a case, ready to be measured. */
export interface Entrant {
  readonly name: string;
  readonly kind: Kind;
  readonly packages: readonly string[];
  /** One round. What it does not measure it leaves out. */
  measure(): Promise<Sample>;
  /** After a round, outside of what is timed. */
  tidy?(): Promise<void>;
}

/** By the keys of the metrics. */
export type Sample = Readonly<Record<string, number>>;

export interface Metric {
  readonly key: string;
  readonly label: string;
  readonly better: "higher" | "lower";
  /** Behind the point; default 0. */
  readonly digits?: number;
}

/** What is aimed at: a bound on a ratio of two entrants, or, without `to`, on the value of one. */
export type Target = Aim & Bound;

export interface Aim {
  readonly metric: string;
  readonly of: string;
  /** The name of an entrant; or `raw` or `peers`, for the best of that kind in each round. */
  readonly to?: string;
}

export type Bound = { readonly stretch?: number } & (
  | { readonly atLeast: number }
  | { readonly atMost: number }
);

export interface Context {
  readonly stores: Stores;
  /** How long a contender works in one round of a rate. */
  readonly roundMs: number;
  /** How much of the usual amount is loaded, where something is; 1 but in tests. */
  readonly scale: number;
  /** Whether what others made takes part. */
  readonly peers: boolean;
}
