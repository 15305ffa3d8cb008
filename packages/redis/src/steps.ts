/**
 * Joins the operations of one turn of the event loop into few script calls. A call of Redis costs more than what a
 * script does in it, so sixteen operations together cost little more than two apart.
 */
import { setImmediate } from "node:timers";
import { type Binary, encodeBatch, encodeSettings, numberAt } from "./codec.js";
import { type Answer, type Connection, closed, script } from "./connection.js";
import { STEP_SCRIPT } from "./scripts/step.js";

/**
 * Redis answers a client only when it has carried out all that it read from it, so everything in one call, or several
 * calls written at once, would make client and server wait for each other. Two calls that take turns keep both busy.
 */
const MOST_TOGETHER = 32;
/** Fewer are not worth a second call. */
const LEAST_TOGETHER = 8;

const STEP = script(STEP_SCRIPT);

/** What was answered to an operation, and the server's time then. */
export interface Told {
  readonly now: number;
  readonly answer: Answer;
  /** When it was sent, on the monotonic clock and on the wall clock here. */
  readonly sentAt: number;
  readonly sentWall: number;
}

interface Step {
  readonly operation: Binary;
  readonly resolve: (told: Told) => void;
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
  readonly #settings: Binary;
  #queue: Step[] = [];
  #scheduled = false;
  /** Operations sent and not answered yet. */
  #underWay = 0;
  #closed = false;

  constructor({ connection, client, endMemoryMs, recordRenewals }: StepsOptions) {
    this.#connection = connection;
    this.#settings = encodeSettings(client, endMemoryMs, recordRenewals);
  }

  /** Carries out one operation, after all that were asked for before. */
  run(operation: Binary): Promise<Told> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closed());
      this.#queue.push({ operation, resolve, reject });
      // After all that this turn of the event loop asks for, and before the next one.
      if (!this.#scheduled) process.nextTick(() => this.#flush());
      this.#scheduled = true;
    });
  }

  /** Refuses what was not sent yet, and everything from now on. */
  close(): void {
    this.#closed = true;
    for (const { reject } of this.#queue.splice(0)) reject(closed());
  }

  /** Sends one call; what does not fit goes in the next turn, when the server is at work on this one. */
  #flush(): void {
    const half = Math.ceil((this.#queue.length + this.#underWay) / 2);
    const size = Math.min(Math.max(half, LEAST_TOGETHER), MOST_TOGETHER);
    const steps = this.#queue.splice(0, size);
    this.#scheduled = this.#queue.length > 0;
    if (this.#scheduled) setImmediate(() => this.#flush());
    if (steps.length > 0) this.#send(steps);
  }

  #send(steps: readonly Step[]): void {
    this.#underWay += steps.length;
    const operations = steps.map(({ operation }) => operation);
    const sentAt = performance.now();
    const sentWall = Date.now();
    this.#connection.run(STEP, [encodeBatch(this.#settings, operations)]).then(
      (answered) => {
        this.#underWay -= steps.length;
        const [time, ...answers] = answered as [Buffer, ...Answer[]];
        const now = numberAt(time, 0, 6);
        for (const [index, { resolve }] of steps.entries())
          resolve({ now, answer: answers[index] as Answer, sentAt, sentWall });
      },
      (error: unknown) => {
        this.#underWay -= steps.length;
        for (const { reject } of steps) reject(error);
      },
    );
  }
}
