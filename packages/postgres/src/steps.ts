/** Joins the operations of one turn of the event loop into few calls: each is a commit of its own. */
import { closed, Join, type JoinedCall } from "@lease/core/backend";
import type { Reply } from "./answers.js";
import type { Operation } from "./codec.js";
import type { Connection } from "./connection.js";
import type { Settings } from "./options.js";

const MOST_TOGETHER = 64;

export class Steps {
  readonly #connection: Connection;
  readonly #client: string;
  readonly #settings: Settings;
  readonly #text: string;
  readonly #join: Join<Operation, Reply>;

  constructor(connection: Connection, client: string, settings: Settings) {
    this.#connection = connection;
    this.#client = client;
    this.#settings = settings;
    this.#text = `SELECT ${settings.schema}.step_v1($1, $2, $3, $4, $5)`;
    this.#join = new Join({
      most: MOST_TOGETHER,
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
    return this.#join.close(() => closed("postgres"), "reject");
  }

  async #send(calls: readonly JoinedCall<Operation, Reply>[]): Promise<void> {
    const { namespace, endMemoryMs, recordRenewals } = this.#settings;
    const batch = JSON.stringify(calls.map(({ request }) => request));
    const answered = await this.#connection.call(this.#text, [
      namespace,
      this.#client,
      endMemoryMs,
      recordRenewals,
      batch,
    ]);
    const [now, ...answers] = JSON.parse(answered as string) as [number, ...(readonly unknown[])[]];
    for (const [index, { resolve }] of calls.entries())
      resolve({ now, answer: answers[index] as readonly unknown[] });
  }
}
