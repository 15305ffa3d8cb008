/**
 * Joins the operations of one turn of the event loop into few script calls. A call of Redis costs more than what a
 * script does in it, so sixteen operations together cost little more than two apart.
 */
import { type Answer, type Connection, closed, script } from "./connection.js";
import { STEP_SCRIPT } from "./scripts/step.js";

/** More in one call, and client and server would wait for each other in lockstep. */
const MOST_TOGETHER = 16;

const STEP = script(STEP_SCRIPT);

interface Step {
  readonly operation: string;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

export interface StepsOptions {
  readonly connection: Connection;
  readonly client: string;
  readonly endMemoryMs: number;
  readonly recordRenewals: boolean;
}

export class Steps {
  readonly #connection: Connection;
  readonly #settings: readonly (string | number)[];
  #queue: Step[] = [];
  #closed = false;

  constructor({ connection, client, endMemoryMs, recordRenewals }: StepsOptions) {
    this.#connection = connection;
    this.#settings = [client, endMemoryMs, recordRenewals ? 1 : 0];
  }

  /** Carries out one operation, after all that were asked for before. */
  run(operation: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closed());
      this.#queue.push({ operation, resolve, reject });
      if (this.#queue.length === 1) process.nextTick(() => this.#flush());
    });
  }

  /** Refuses what was not sent yet, and everything from now on. */
  close(): void {
    this.#closed = true;
    for (const { reject } of this.#queue.splice(0)) reject(closed());
  }

  #flush(): void {
    const queue = this.#queue;
    this.#queue = [];
    for (let from = 0; from < queue.length; from += MOST_TOGETHER) {
      void this.#send(queue.slice(from, from + MOST_TOGETHER));
    }
  }

  async #send(steps: readonly Step[]): Promise<void> {
    try {
      const operations = steps.map(({ operation }) => operation);
      const answers = (await this.#connection.run(STEP, [...this.#settings, ...operations])) as Answer[];
      for (const [index, { resolve }] of steps.entries()) resolve(answers[index] as Answer);
    } catch (error) {
      for (const { reject } of steps) reject(error);
    }
  }
}
