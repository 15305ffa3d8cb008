/** Contenders opened in one place, each with what it is to do. */
import type { BackendName, Claimer, Contender, Place } from "./contender.js";
import type { Context, Entrant, OpenCase, Sample } from "./scenario.js";
import type { Store } from "./stores.js";

export interface Opened {
  readonly contender: Contender;
  readonly claimer: Claimer;
  readonly store: Store;
}

/** How a contender takes part in a case: as it is, or with more to do. */
export interface Variant {
  readonly contender: Contender;
  /** Of this variant, where a contender has several. */
  readonly name?: string;
  /** Differs from where the others are. */
  readonly place?: Partial<Place>;
  /** Before anything is measured. */
  prepare?(claimer: Claimer): Promise<void>;
  /** Before each round, outside of what is timed. */
  before?(): Promise<void>;
}

export async function openEntrants(
  { stores }: Context,
  backend: BackendName,
  variants: readonly Variant[],
  measure: (opened: Opened, variant: Variant) => Promise<Sample>,
): Promise<OpenCase> {
  const store = await stores.get(backend);
  const place = await store.fresh();
  const claimers: Claimer[] = [];
  const entrants: Entrant[] = [];
  const close = async () => {
    for (const claimer of claimers) await claimer.close();
  };
  try {
    for (const variant of variants) {
      const { contender, name = contender.name } = variant;
      const namespace = `${place.namespace}-${entrants.length}`;
      const claimer = await contender.open({ ...place, namespace, ...variant.place });
      claimers.push(claimer);
      await variant.prepare?.(claimer);
      entrants.push({
        name,
        kind: contender.kind,
        packages: contender.packages,
        async measure() {
          await variant.before?.();
          return measure({ contender, claimer, store }, variant);
        },
        ...(claimer.tidy === undefined ? {} : { tidy: () => (claimer.tidy as () => Promise<void>)() }),
      });
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { entrants, close };
}
