/** A case in which so many callers do the same, each with resources of its own: what pairs, renewals and eight have in common. */
import type { BackendName, Claimer, Contender } from "../frame/contender.js";
import { openEntrants, type Variant } from "../frame/open-entrants.js";
import { rate, rateMetrics } from "../frame/rate.js";
import type { CasePlan, Context, Target } from "../frame/scenario.js";

export interface CallersCase {
  /** The scenario's name. */
  readonly scenario: string;
  /** What a rate is a rate of. */
  readonly operation: string;
  readonly backend: BackendName;
  readonly callers: number;
  readonly targets: readonly Target[];
  readonly variants: (context: Context) => readonly Variant[];
  /** A round takes so many times as long as others. Default 1. */
  readonly longer?: number;
  /** What a caller does again and again. */
  readonly act: (claimer: Claimer) => (caller: number) => Promise<void>;
}

export function callersCase({
  scenario,
  operation,
  backend,
  callers,
  targets,
  variants,
  longer = 1,
  act,
}: CallersCase): CasePlan {
  return {
    id: `${scenario}/${backend}/${callers}`,
    backend,
    title: callers === 1 ? "one caller" : `${callers} callers at once`,
    metrics: rateMetrics(operation),
    targets,
    open: (context) =>
      openEntrants(context, backend, variants(context), ({ claimer, contender: { sends }, store }) =>
        rate({ callers, roundMs: context.roundMs * longer, store, ...(sends && { sends }) }, act(claimer)),
      ),
  };
}

/** As they are, without more to do. */
export const asTheyAre = (contenders: readonly Contender[]): Variant[] =>
  contenders.map((contender) => ({ contender }));
