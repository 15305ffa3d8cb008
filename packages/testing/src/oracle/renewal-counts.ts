/** How many renewals of a lease can have been counted by a moment. */
import type { RenewCall } from "./calls.js";
import { mayBeOf } from "./latest-expiry.js";
import { countBefore, type Peak, runningMax } from "./sorted.js";
import type { Sighting } from "./story.js";
import type { LeaseTimes } from "./times.js";

export class RenewalCounts {
  /** In the order in which they were answered. */
  readonly #shown: readonly Sighting[];
  readonly #most: readonly Peak<Sighting>[];
  /** The renewals that were counted or may have been, each at most once. */
  readonly #counting: readonly RenewCall[];
  readonly #isCounting: ReadonlySet<RenewCall>;
  /** The greatest count that any of them gives; `Infinity` if one gives none. */
  readonly #greatest: number;
  readonly #byCount = new Map<number, RenewCall[]>();

  constructor({ life }: LeaseTimes) {
    this.#shown = life.sightings.filter(({ renewals }) => renewals !== null).sort((a, b) => a.to - b.to);
    this.#most = runningMax(this.#shown, ({ renewals }) => renewals ?? 0);
    this.#counting = life.story.renewals.filter((call) => {
      const { answer } = call;
      return mayBeOf(life, call) && (answer === null || (answer.status === "renewed" && !answer.repeated));
    });
    this.#isCounting = new Set(this.#counting);
    let most = 0;
    for (const call of this.#counting) {
      most = Math.max(most, call.request.renewal ?? Number.POSITIVE_INFINITY);
      if (call.answer?.status !== "renewed") continue;
      const count = call.answer.lease.renewals;
      this.#byCount.set(count, [...this.countedAs(count), call]);
    }
    this.#greatest = most;
  }

  /** So many had been counted before a moment, and the sighting that shows it. */
  least(before: number): Peak<Sighting> | undefined {
    return this.#most[countBefore(this.#shown, before, ({ to }) => to) - 1];
  }

  /** No more can have been counted by a moment; `without` one of them. */
  most(by: number, without?: RenewCall): number {
    const sent = countBefore(this.#counting, by, ({ from }) => from, true);
    const isWithout = without !== undefined && this.#isCounting.has(without);
    return Math.min(this.#greatest, isWithout ? sent - 1 : sent);
  }

  /** The renewals that were answered as counted with that number. */
  countedAs(count: number): readonly RenewCall[] {
    return this.#byCount.get(count) ?? [];
  }
}
