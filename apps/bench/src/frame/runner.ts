/**
 * Measures a case: every round has each entrant once, forwards and backwards in turn, so that a machine that slows
 * down slows all of them, and every ratio is that of one round.
 */
import type { CasePlan, Context, Entrant, Sample } from "./scenario.js";

export interface Measured {
  readonly name: string;
  readonly kind: Entrant["kind"];
  readonly packages: readonly string[];
  /** One a round, in the order of the rounds. */
  readonly samples: readonly Sample[];
}

export type Progress = (plan: CasePlan, round: number, rounds: number, entrant: string) => void;

/** Round 0 is the warm-up: measured like the others, and thrown away. */
export async function measure(
  plan: CasePlan,
  context: Context,
  rounds: number,
  progress: Progress = () => {},
): Promise<Measured[]> {
  const count = Math.min(rounds, plan.mostRounds ?? rounds);
  const { entrants, close } = await plan.open(context);
  const samples = entrants.map((): Sample[] => []);
  try {
    for (let round = plan.warmUp === false ? 1 : 0; round <= count; round += 1) {
      const order = entrants.map((_, index) => index);
      if (round % 2 === 0) order.reverse();
      for (const index of order) {
        const entrant = entrants[index] as Entrant;
        progress(plan, round, count, entrant.name);
        const sample = await entrant.measure();
        await entrant.tidy?.();
        if (round > 0) samples[index]?.push(sample);
      }
    }
  } finally {
    await close();
  }
  return entrants.map(({ name, kind, packages }, index) => ({
    name,
    kind,
    packages,
    samples: samples[index] as Sample[],
  }));
}
