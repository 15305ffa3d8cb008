/**
 * Joins the operations of one turn of the event loop into few script calls. A call of Redis costs more than what a
 * script does in it, so sixteen operations together cost little more than two apart.
 */
import { closed, Join, type JoinedCall } from "@lease/core/backend";
import { type Binary, encodeBatch, encodeSettings, numberAt } from "./codec.js";
import { type Answer, type Connection, script } from "./connection.js";
import { STEP_SCRIPT } from "./scripts/step.js";

/** Redis answers a client once it has carried out all that it read from it: two calls that take turns keep both busy. */
const SHARES = 2;
const MOST_TOGETHER = 32;
/** Fewer are not worth a second call. */
const LEAST_TOGETHER = 8;

const STEP = script(STEP_SCRIPT);

/** What was answered to an operation, and the server's time then. */
export interface Reply {
  readonly now: number;
  readonly answer: Answer;
  /** When it was sent, on the monotonic clock and on the wall clock here. */
  readonly sentAt: number;
  readonly sentWall: number;
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
  readonly #join: Join<Binary, Reply>;

  constructor({ connection, client, endMemoryMs, recordRenewals }: StepsOptions) {
    this.#connection = connection;
    this.#settings = encodeSettings(client, endMemoryMs, recordRenewals);
    this.#join = new Join({
      most: MOST_TOGETHER,
      least: LEAST_TOGETHER,
      shares: SHARES,
      // What waited here for a call that hangs would end later than its own bound.
      atOnce: Number.POSITIVE_INFINITY,
      // After all that this turn of the event loop asks for, and before the next one.
      schedule: process.nextTick,
      send: (calls) => this.#send(calls),
    });
  }

  /** Carries out one operation, after all that were asked for before. */
  run(operation: Binary): Promise<Reply> {
    return this.#join.call(operation);
  }

  /** Refuses what was not sent yet, and everything from now on. */
  close(): Promise<void> {
    return this.#join.close(() => closed("redis"), "reject");
  }

  async #send(calls: readonly JoinedCall<Binary, Reply>[]): Promise<void> {
    const operations = calls.map(({ request }) => request);
    const sentAt = performance.now();
    const sentWall = Date.now();
    const answered = await this.#connection.run(STEP, [encodeBatch(this.#settings, operations)]);
    const [time, ...answers] = answered as [Buffer, ...Answer[]];
    const now = numberAt(time, 0, 6);
    for (const [index, { resolve }] of calls.entries())
      resolve({ now, answer: answers[index] as Answer, sentAt, sentWall });
  }
}
