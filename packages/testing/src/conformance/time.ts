/**
 * Time in a case: simulated where the store runs on a simulated clock, real otherwise. A case says what must happen and
 * in which bound; only this file knows how to wait for it. Nothing is decided by a bare sleep.
 */
import type { BackendLimits } from "@lease/core/backend";
import { CheckFailed, check } from "../assert.js";
import { type SimulatedClock, settled } from "../simulated-clock.js";

/** How long a case waits for something that must happen, in simulated as in real time. */
const BOUND_MS = 10_000;
/** The least real time given to it, also when simulated time flies: a store may do I/O. */
const REAL_BOUND_MS = 5_000;
const POLL_MS = 10;

/** Times are whole milliseconds, so two readings of one duration may differ by this. */
export const GRAIN_MS = 1;

export class CaseTime {
  readonly #clock: SimulatedClock | undefined;
  /** As short as is reliable: long enough that a busy machine gets a few calls through before it ends. */
  readonly shortMs: number;
  /** Longer than any case takes. */
  readonly longMs: number;

  constructor(clock: SimulatedClock | undefined, limits: BackendLimits) {
    this.#clock = clock;
    const atLeast = Math.max(limits.minTtlMs, clock === undefined ? 400 : 1_000);
    this.shortMs = Math.ceil(atLeast / limits.ttlStepMs) * limits.ttlStepMs;
    this.longMs = 600_000;
  }

  /** The clock, where it is simulated. */
  get clock(): SimulatedClock | undefined {
    return this.#clock;
  }

  /** Monotonic milliseconds. */
  now(): number {
    return this.#clock?.now() ?? performance.now();
  }

  /** Lets at least `ms` pass. */
  async pass(ms: number): Promise<void> {
    if (this.#clock !== undefined) return this.#clock.advance(ms);
    const until = performance.now() + ms;
    for (let left = ms; left > 0; left = until - performance.now()) await sleep(left);
  }

  /** Asks again and again until the answer is not `undefined`. */
  async until<T>(probe: () => Promise<T | undefined>, what: string, boundMs = BOUND_MS): Promise<T> {
    const waiting = this.#wait(boundMs);
    for (;;) {
      const answer = await probe();
      if (answer !== undefined) return answer;
      if (!(await waiting.more()))
        throw new CheckFailed(`Waited ${boundMs} ms in vain: ${what}`, what, "nothing");
    }
  }

  /** What `promise` brings, which must be soon. */
  async settles<T>(promise: Promise<T>, what: string, boundMs = BOUND_MS): Promise<T> {
    let done = false;
    const finish = () => {
      done = true;
    };
    promise.then(finish, finish);
    await this.until(async () => (done ? true : undefined), what, boundMs);
    return await promise;
  }

  /** Checks that `promise` is still open after everything that could settle it had its chance. */
  async staysOpen(promise: Promise<unknown>, what: string): Promise<void> {
    const OPEN = Symbol();
    await this.pass(50);
    const outcome = await Promise.race([
      promise.catch((error: unknown) => error),
      settled().then(() => OPEN),
    ]);
    check(outcome === OPEN, what);
  }

  #wait(boundMs: number): { more(): Promise<boolean> } {
    const realUntil = performance.now() + (this.#clock === undefined ? boundMs : REAL_BOUND_MS);
    const until = this.now() + boundMs;
    return {
      more: async () => {
        if (this.now() < until) await this.pass(POLL_MS);
        else if (performance.now() < realUntil) await sleep(POLL_MS);
        else return false;
        return true;
      },
    };
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
