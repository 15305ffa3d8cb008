/** One bound for many steps. */
import type { Clock } from "@lease/core";

/** What became of a step: done with a value, failed with an error, or not over in time. */
export type Outcome<T> =
  | { readonly status: "done"; readonly value: T }
  | { readonly status: "failed"; readonly error: unknown }
  | { readonly status: "late" };

export class Deadline {
  readonly #clock: Clock;
  readonly #at: number;

  /** Begins now. */
  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#at = clock.now() + ms;
  }

  get remainingMs(): number {
    return Math.max(0, this.#at - this.#clock.now());
  }

  /** An earlier bound within this one. */
  within(ms: number): Deadline {
    return new Deadline(this.#clock, Math.min(ms, this.remainingMs));
  }

  /**
   * Runs a step and waits for it at the most until the deadline. Never rejects; a step that is late goes on by itself
   * and is heard no more. Meanwhile the process stays alive, although nothing else may keep it so.
   */
  async wait<T>(run: () => T | Promise<T>): Promise<Outcome<Awaited<T>>> {
    let stop = () => {};
    const late = new Promise<Outcome<never>>((resolve) => {
      stop = this.#clock.schedule(this.remainingMs, () => resolve({ status: "late" }));
    });
    const outcome = await Promise.race([settle(run), late]);
    stop();
    return outcome;
  }
}

async function settle<T>(run: () => T | Promise<T>): Promise<Outcome<Awaited<T>>> {
  try {
    return { status: "done", value: await run() };
  } catch (error) {
    return { status: "failed", error };
  }
}
