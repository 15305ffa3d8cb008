/** Seed after seed until the time is over, or something is wrong. */
import { performance } from "node:perf_hooks";
import type { Violation } from "./journal.js";
import { type Run, type RunOptions, runSeed } from "./world.js";

export interface CampaignOptions extends Pick<RunOptions, "only" | "subject"> {
  readonly seed: number;
  /** How long to go on, in ms of real time; at least one seed is run. */
  readonly forMs?: number | undefined;
  /** How many seeds at most. */
  readonly seeds?: number | undefined;
  /** How many seeds at least, however long they take. */
  readonly atLeast?: number | undefined;
  /** Called after each seed. */
  readonly onRun?: (run: Run) => void;
}

export interface Campaign {
  readonly seed: number;
  readonly only: RunOptions["only"];
  readonly seeds: number;
  readonly events: number;
  readonly ms: number;
  readonly judged: number;
  readonly unjudged: number;
  readonly counts: ReadonlyMap<string, number>;
  /** The seed that went wrong, run again and traced. */
  readonly failed: {
    readonly seed: number;
    readonly violations: readonly Violation[];
    readonly trace: readonly string[];
  } | null;
}

export async function campaign(options: CampaignOptions): Promise<Campaign> {
  const {
    seed,
    only,
    forMs = Number.POSITIVE_INFINITY,
    seeds: most = Number.POSITIVE_INFINITY,
    atLeast = 1,
  } = options;
  const startedAt = performance.now();
  const counts = new Map<string, number>();
  let [seeds, events, judged, unjudged] = [0, 0, 0, 0];
  let failed: Campaign["failed"] = null;
  while (failed === null && seeds < most && (seeds < atLeast || performance.now() - startedAt < forMs)) {
    const run = await runSeed(seed + seeds, options);
    seeds += 1;
    events += run.events;
    judged += run.judged;
    unjudged += run.unjudged;
    for (const [name, count] of run.counts) counts.set(name, (counts.get(name) ?? 0) + count);
    options.onRun?.(run);
    if (run.violations.length > 0) {
      const { trace } = await runSeed(run.seed, { ...options, isTraced: true });
      failed = { seed: run.seed, violations: run.violations, trace };
    }
  }
  return { seed, only, seeds, events, ms: performance.now() - startedAt, judged, unjudged, counts, failed };
}
