/** One line that says how far a run has got, where somebody watches. */
import type { CasePlan } from "../frame/scenario.js";

export class ProgressLine {
  readonly #total: number;
  #done = 0;
  #shown = false;

  constructor(total: number) {
    this.#total = total;
  }

  show({ id }: CasePlan, round: number, rounds: number, entrant: string): void {
    if (!process.stderr.isTTY) return;
    const what = round === 0 ? "warm-up" : `round ${round} of ${rounds}`;
    const text = `${this.#done + 1}/${this.#total} ${id} · ${what} · ${entrant}`;
    process.stderr.write(`\r${text.slice(0, (process.stderr.columns ?? 80) - 1)}\x1b[K`);
    this.#shown = true;
  }

  caseDone(): void {
    this.#done += 1;
    this.clear();
  }

  clear(): void {
    if (this.#shown) process.stderr.write("\r\x1b[K");
    this.#shown = false;
  }
}
