/** How many renewals of a lease can have been counted by a moment. */
import type { RenewCall } from "./calls.js";
import { countBefore, type Peak, runningMax } from "./steps-in-time.js";
import type { Sighting } from "./story.js";
import type { LifeTimes } from "./times.js";

export class Counts {
  readonly #shown: readonly Sighting[];
  readonly #most: readonly Peak<Sighting>[];
  /** Renewals that counted, or that may have: each at most once. */
  readonly #counting: readonly RenewCall[];
  readonly #mostSaid: number;
  /** By its count, the renewals that were answered as counted. */
  readonly counted = new Map<number, RenewCall[]>();

  constructor({ life }: LifeTimes) {
    const shown = life.sightings.filter(({ renewals }) => renewals !== null);
    this.#shown = shown.sort((a, b) => a.to - b.to);
    this.#most = runningMax(this.#shown, ({ renewals }) => renewals as number);
    this.#counting = life.story.renewals.filter(({ request, answer }) => {
      if (request.agentId !== life.agentId) return false;
      if (request.token !== undefined && request.token !== life.token) return false;
      return answer === null || (answer.status === "renewed" && !answer.repeated);
    });
    this.#mostSaid = this.#counting.reduce(
      (most, { request }) => Math.max(most, request.renewal ?? Number.POSITIVE_INFINITY),
      0,
    );
    for (const call of this.#counting) {
      if (call.answer?.status !== "renewed") continue;
      const count = call.answer.lease.renewals;
      this.counted.set(count, [...(this.counted.get(count) ?? []), call]);
    }
  }

  /** So many were counted before a moment, and the answer that says so. */
  least(before: number): Peak<Sighting> | undefined {
    return this.#most[countBefore(this.#shown, before, ({ to }) => to) - 1];
  }

  /** No more can have been counted by a moment; `without` a call. */
  most(by: number, without?: RenewCall): number {
    const sent = countBefore(this.#counting, by, ({ from }) => from, true);
    const own = without !== undefined && this.#counting.includes(without) ? 1 : 0;
    return Math.min(this.#mostSaid, sent - own);
  }
}
