/** One watch as a queue of its events, which a slow reader cannot make grow without bound. */
import { cursorExpired } from "@lease/core/backend";
import type { IEvent } from "etcd3";
import type { Context } from "./context.js";
import { silent } from "./errors.js";

/** Events that wait for their reader. With more the watch ends, and is made anew where it ended once half are read. */
const MAX_QUEUED = 1000;

export interface ReadingOptions {
  /** From the oldest entry there is: what is compacted away is no gap. */
  readonly isBegun: boolean;
  /** The position is the present end. */
  readonly isLive: boolean;
  /** It ends when nothing came for this long. */
  readonly quietMs: number | null;
  /** There is more to come, and who waits longer than this for it waits in vain. */
  readonly boundMs: number | null;
  readonly signal: AbortSignal | undefined;
}

export class Reading {
  readonly #context: Context;
  readonly #options: ReadingOptions;
  readonly #queue: IEvent[][] = [];
  #queued = 0;
  #stopWatch: (() => void) | null = null;
  /** What came last: from there a watch is made anew. */
  #position: number;
  #hasRead = false;
  #isLive: boolean;
  #wake = () => {};
  #failure: Error | undefined;
  #over = false;

  constructor(context: Context, position: number, options: ReadingOptions) {
    this.#context = context;
    this.#options = options;
    this.#position = position;
    this.#isLive = options.isLive;
    options.signal?.addEventListener("abort", this.stop);
    if (options.signal?.aborted === true) this.stop();
    else this.#open();
  }

  /** The next events, or `null` at the end. */
  async next(): Promise<readonly IEvent[] | null> {
    const { quietMs, boundMs } = this.#options;
    for (;;) {
      const events = this.#queue.shift();
      if (events !== undefined) {
        this.#queued -= events.length;
        if (this.#stopWatch === null && this.#queued <= MAX_QUEUED / 2) this.#open();
        return events;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#over) return null;
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (quietMs !== null) timer = setTimeout(this.stop, quietMs);
        else if (boundMs !== null) timer = setTimeout(() => this.#fail(silent()), boundMs);
      });
      clearTimeout(timer);
    }
  }

  readonly stop = (): void => {
    if (this.#over) return;
    this.#over = true;
    this.#options.signal?.removeEventListener("abort", this.stop);
    this.#stopWatch?.();
    this.#wake();
  };

  #open(): void {
    if (this.#over || this.#failure !== undefined) return;
    this.#stopWatch = this.#context.watches.open({
      ...this.#context.keys.feed,
      // From the position itself, whose events are passed over: what follows it is then surely not compacted away.
      // The present end is not: and from there on, etcd sends at once and not after its next round of 100 ms.
      from: () => Math.max(1, this.#isLive ? this.#position + 1 : this.#position),
      withBefore: true,
      onWatching: () => {
        this.#isLive = false;
      },
      onEvents: (events) => this.#onEvents(events),
      onProgress: (revision) => this.#moveTo(revision),
      onCompacted: (revision) => {
        if (this.#options.isBegun && !this.#hasRead) {
          this.#position = revision;
          this.#open();
        } else {
          this.#fail(cursorExpired("entries after it were compacted away by etcd"));
        }
      },
      onClosed: (error) => this.#fail(error),
    });
  }

  #onEvents(events: readonly IEvent[]): void {
    const fresh = events.filter((event) => Number(event.kv.mod_revision) > this.#position);
    const last = fresh.at(-1);
    if (last === undefined) return;
    this.#moveTo(Number(last.kv.mod_revision));
    this.#queue.push(fresh);
    this.#queued += fresh.length;
    if (this.#queued > MAX_QUEUED) {
      this.#stopWatch?.();
      this.#stopWatch = null;
    }
    this.#wake();
  }

  #moveTo(revision: number): void {
    this.#position = Math.max(this.#position, revision);
    this.#hasRead = true;
  }

  #fail(error: Error): void {
    this.#failure = error;
    this.#wake();
  }
}
