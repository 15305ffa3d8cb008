/** What a run writes down: what it saw, what was wrong, and, when asked to, each step of the way. */
import type { Simulation } from "./simulation.js";

export interface Violation {
  /** Which check found it. */
  readonly check: string;
  readonly what: string;
  readonly at: number;
}

export class Journal {
  readonly violations: Violation[] = [];
  readonly counts = new Map<string, number>();
  /** `null`: nothing is traced. */
  readonly trace: string[] | null;
  readonly #simulation: Simulation;
  readonly #names = new Map<string, string>();
  readonly #tokens = new Map<string, string>();

  constructor(simulation: Simulation, isTraced: boolean) {
    this.#simulation = simulation;
    this.trace = isTraced ? [] : null;
  }

  count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  /** Adds to the trace. */
  note(who: string, what: () => string): void {
    this.trace?.push(
      `${this.#simulation.now.toFixed(1).padStart(9)}  ${who.padEnd(8)} ${this.#named(what())}`,
    );
  }

  violation(check: string, what: string): void {
    this.violations.push({ check, what: this.#named(what), at: this.#simulation.now });
    this.note("CHECK", () => `${check}: ${what}`);
  }

  /** Ids are random and long, tokens are long; their order of appearance is neither. */
  #named(text: string): string {
    return text
      .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}/g, (id) => nameIn(this.#names, "L", id))
      .replaceAll(/\b17\d{14}\b/g, (token) => nameIn(this.#tokens, "#", token));
  }
}

function nameIn(names: Map<string, string>, letter: string, long: string): string {
  const name = names.get(long) ?? `${letter}${names.size + 1}`;
  names.set(long, name);
  return name;
}
