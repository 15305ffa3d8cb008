/** The questions and answers between a process host and its child. */
import type { ChildProcess } from "node:child_process";
import { LeaseError } from "@lease/core";
import { type Question, revive, type ToChild, type ToHost } from "./protocol.js";

/** One question under way. */
interface Pending {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class Link {
  readonly ready: Promise<void>;
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;
  readonly #timeoutMs: number;
  readonly #pending = new Map<number, Pending>();
  #asked = 0;
  #gone = false;

  constructor(child: ChildProcess, timeoutMs: number) {
    this.#child = child;
    this.#timeoutMs = timeoutMs;
    this.exited = new Promise((resolve) => {
      child.once("exit", () => {
        this.#leave();
        resolve();
      });
    });
    this.ready = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) =>
        reject(new Error(`The child process ended while it loaded its module (${signal ?? code})`)),
      );
      child.on("message", (message: ToHost) => {
        if (!("ready" in message)) this.#hear(message);
        else if (message.ready === true) resolve();
        else reject(revive(message.ready));
      });
    });
    this.ready.catch(() => {});
  }

  /** @param boundMs - how long the question itself may take, besides the time of a call */
  ask(question: Question, boundMs = 0): { readonly number: number; readonly answer: Promise<unknown> } {
    this.#asked += 1;
    const number = this.#asked;
    if (this.#gone) {
      return {
        number,
        answer: Promise.reject(new LeaseError("BACKEND_UNAVAILABLE", "The child process is gone.")),
      };
    }
    const answer = new Promise<unknown>((resolve, reject) => {
      const limitMs = this.#timeoutMs + boundMs;
      // Node's timers take no more than this; longer is for ever as far as a test goes.
      const timer = limitMs < 2 ** 31 ? setTimeout(() => this.#giveUp(number), limitMs) : undefined;
      const settle =
        <A>(end: (value: A) => void) =>
        (value: A) => {
          clearTimeout(timer);
          end(value);
        };
      this.#pending.set(number, { resolve: settle(resolve), reject: settle(reject) });
      try {
        this.#send({ number, question });
      } catch (error) {
        this.#pending.delete(number);
        settle(reject)(error as Error);
      }
    });
    return { number, answer };
  }

  abort(number: number): void {
    if (!this.#gone) this.#send({ abort: number });
  }

  #send(message: ToChild): void {
    // A channel that closes under the message: the exit tells whoever waits.
    this.#child.send(message, () => {});
  }

  #hear(message: Exclude<ToHost, { ready: unknown }>): void {
    const pending = this.#pending.get(message.number);
    this.#pending.delete(message.number);
    if ("failure" in message) pending?.reject(revive(message.failure));
    else pending?.resolve(message.answer);
  }

  #giveUp(number: number): void {
    const pending = this.#pending.get(number);
    this.#pending.delete(number);
    pending?.reject(new LeaseError("OUTCOME_UNKNOWN", "The child process did not answer in time."));
  }

  #leave(): void {
    this.#gone = true;
    for (const { reject } of this.#pending.values()) {
      reject(new LeaseError("OUTCOME_UNKNOWN", "The child process ended before it answered."));
    }
    this.#pending.clear();
  }
}
