import type { Clock } from "../src/clock.js";

/**
 * Time that a test moves by hand. Timers run synchronously, in order. (`@lease/testing` has a fuller one, but
 * depends on this package.)
 */
export class HandClock implements Clock {
  #now: number;
  readonly #timers = new Set<{ readonly due: number; readonly run: () => void }>();

  constructor(now = 1_000_000) {
    this.#now = now;
  }

  /** How many timers wait. */
  get timers(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now;
  }

  wallNow(): number {
    return this.#now + Date.UTC(2026, 0, 1);
  }

  schedule(delayMs: number, run: () => void): () => void {
    const timer = { due: this.#now + Math.max(0, delayMs), run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(({ due }) => due <= until).sort((a, b) => a.due - b.due);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.due);
      next.run();
    }
    this.#now = until;
  }
}
