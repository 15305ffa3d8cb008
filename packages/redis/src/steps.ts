/**
 * Joins the operations of one turn of the event loop into few script calls. A call of Redis costs more than what a
 * script does in it, so sixteen operations together cost little more than two apart.
 */
import { closed, Join, type JoinedCall } from "@lease/core/backend";
import { type Moment, moment } from "./awake.js";
import { type Binary, encodeBatch, encodeSettings, type Operation } from "./codec.js";
import type { Answer, Connection } from "./connection.js";
import { load } from "./scripts/load.js";

/** Redis answers a client once it has carried out all that it read from it: two calls that take turns keep both busy. */
const SHARES = 2;
const MOST_TOGETHER = 32;
/** Fewer are not worth a second call. */
const LEAST_TOGETHER = 8;

const STEP = load("step");

/** What was answered to an operation, and the server's time then. */
export interface Reply {
  readonly now: number;
  readonly answer: Answer;
  /** When it was sent. */
  readonly sent: Moment;
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
  readonly #join: Join<Operation, Reply>;

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
  run(operation: Operation): Promise<Reply> {
    return this.#join.call(operation);
  }

  /** Refuses what was not sent yet, and everything from now on. */
  close(): Promise<void> {
    return this.#join.close(() => closed("redis"), "reject");
  }

  async #send(calls: readonly JoinedCall<Operation, Reply>[]): Promise<void> {
    const sent = moment();
    const { now, answers } = await this.#connection.run(STEP, [this.#settings, ...encoded(calls)]);
    for (const [index, { resolve }] of calls.entries())
      resolve({ now, answer: answers[index] as Answer, sent });
  }
}

/** A single operation in its parts, if the script can take it so: then it has nothing to cut. */
function encoded(calls: readonly JoinedCall<Operation, Reply>[]): readonly Binary[] {
  const [{ request: only }, ...others] = calls as [JoinedCall<Operation, Reply>];
  if (others.length === 0 && only.queues !== null) return [...only.parts, ...only.queues];
  return [encodeBatch(calls.map(({ request }) => request))];
}
