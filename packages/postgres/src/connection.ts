/**
 * Calls of the functions of the backend. Every call ends within its bound: with an answer, or saying whether it may have
 * been carried out. What was sent is never sent again, unless the server said that it took it back.
 */
import { closed } from "@lease/core/backend";
import { afterSending, isBroken, isTransient, notSent, outcomeUnknown } from "./errors.js";
import type { Link, OpenLink } from "./links.js";

export interface ConnectionOptions {
  readonly open: OpenLink;
  /** Looks whether a new connection can be used, and makes it so. */
  readonly prepare: (link: Link) => Promise<void>;
  readonly timeoutMs: number;
  /** The most connections at a time. */
  readonly most: number;
  /** Whether a connection stays with us between calls. */
  readonly keep: boolean;
}

/** Some connections, each used by one call at a time. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #idle: Link[] = [];
  readonly #used = new Set<Link>();
  readonly #waiting: (() => void)[] = [];
  #taken = 0;
  #closed = false;
  #onIdle: (() => void) | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** The one value that a function answers. */
  async call(text: string, values: readonly unknown[]): Promise<string | number | null> {
    const until = performance.now() + this.#options.timeoutMs;
    await this.#take(until);
    try {
      for (;;) {
        const link = await this.#link(until);
        try {
          return await this.#send(link, until, text, values);
        } catch (error) {
          if (!isTransient(error) || performance.now() >= until)
            throw this.#closed ? closed("postgres") : afterSending(error);
        }
      }
    } finally {
      this.#taken -= 1;
      this.#waiting.shift()?.();
      if (this.#taken === 0) this.#onIdle?.();
    }
  }

  /** Refuses later calls, waits a moment for those under way, and gives all connections back. */
  async close(withinMs: number): Promise<void> {
    this.#closed = true;
    for (const wake of this.#waiting.splice(0)) wake();
    if (this.#taken > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, withinMs);
        this.#onIdle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const link of [...this.#idle.splice(0), ...this.#used]) link.destroy();
  }

  /** Waits until fewer calls than `most` are under way. */
  async #take(until: number): Promise<void> {
    while (this.#taken >= this.#options.most && !this.#closed) {
      const leftMs = until - performance.now();
      if (leftMs <= 0) throw notSent(new Error("earlier calls are still under way"));
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          resolve();
        };
        const timer = setTimeout(() => {
          const index = this.#waiting.indexOf(wake);
          if (index >= 0) this.#waiting.splice(index, 1);
          resolve();
        }, leftMs);
        this.#waiting.push(wake);
      });
    }
    if (this.#closed) throw closed("postgres");
    this.#taken += 1;
  }

  async #link(until: number): Promise<Link> {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (!idle.broken) return idle;
      idle.destroy();
    }
    let link: Link | undefined;
    try {
      link = await this.#options.open(until - performance.now());
      await this.#options.prepare(link);
    } catch (error) {
      link?.destroy();
      throw this.#closed ? closed("postgres") : notSent(error);
    }
    if (!this.#closed) return link;
    link.destroy();
    throw closed("postgres");
  }

  async #send(
    link: Link,
    until: number,
    text: string,
    values: readonly unknown[],
  ): Promise<string | number | null> {
    this.#used.add(link);
    let broken = true;
    try {
      const answer = await answerWithin(until - performance.now(), link, text, values);
      broken = false;
      return answer;
    } catch (error) {
      broken = isBroken(error);
      throw error;
    } finally {
      this.#used.delete(link);
      if (broken || this.#closed) link.destroy();
      else if (this.#options.keep) this.#idle.push(link);
      else link.giveBack();
    }
  }
}

function answerWithin(
  ms: number,
  { client }: Link,
  text: string,
  values: readonly unknown[],
): Promise<string | number | null> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(outcomeUnknown(undefined)), Math.max(1, ms));
    client.query({ text, values: [...values], rowMode: "array" }).then(
      ({ rows }) => {
        clearTimeout(timer);
        resolve((rows[0] as [string | number | null] | undefined)?.[0] ?? null);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
