/** Random choices that a seed repeats (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  /** A whole number from 0 up to, but not including, `end`; 0 if there is none. */
  below(end: number): number {
    return Math.floor(this.#next() * end);
  }

  /** One of several, at least one. */
  of<const T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  /** A lease id (a UUID of version 7 in form). */
  id(): string {
    const hex = (length: number) => Array.from({ length }, () => this.below(16).toString(16)).join("");
    return `${hex(8)}-${hex(4)}-7${hex(3)}-8${hex(3)}-${hex(12)}`;
  }

  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}
