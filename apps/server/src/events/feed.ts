/**
 * The one reader of the store for all event streams of a server. It reads while there are streams, makes each event
 * into text once, and sends what comes within some milliseconds in one write: four frames in one write cost no more
 * than one.
 */
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import type { LeaseBackend, LeaseEvent } from "@lease/core";
import { presentEnd } from "@lease/core/backend";
import { Audience, type Channel, type Filters } from "./audience.js";
import type { Follower } from "./follower.js";
import { frameOf, stillHere } from "./frames.js";

export interface FeedOptions {
  /** Events are gathered for this long at most before they are sent. */
  readonly gatherMs: number;
  /** Between two signs of life on a quiet stream. */
  readonly heartbeatMs: number;
}

/** Streams that come back after a short break find what they missed here, and not in the store. */
export const RECENT = 1024;
/** As many streams are written to before other work of the process has its turn. */
const AT_ONCE = 64;
/** A read that took longer had to wait for an event. */
const WAITED_MS = 1;

export class Feed {
  readonly #backend: LeaseBackend;
  readonly #options: FeedOptions;
  readonly #audience = new Audience();
  /** All streams, also those that still read what happened before. */
  readonly #open = new Set<Follower>();
  readonly #channels = new Map<Follower, Channel>();
  #reading: { readonly stop: AbortController; readonly begun: Promise<void> } | null = null;
  /** The cursor up to which everything was read. */
  #position = "";
  #recent: LeaseEvent[] = [];
  /** The cursor that the first of the recent events comes after. */
  #recentAfter = "";
  readonly #frames = new WeakMap<LeaseEvent, string>();
  #sending: Promise<void> | null = null;
  #sentAt = Number.NEGATIVE_INFINITY;
  /** Called when nothing is gathered. */
  #joining: (() => void)[] = [];
  /** Called when an event was read, by its cursor. */
  readonly #expected = new Map<string, (() => void)[]>();
  #beats: NodeJS.Timeout | undefined;

  constructor(backend: LeaseBackend, options: FeedOptions) {
    this.#backend = backend;
    this.#options = options;
  }

  /** How many streams are open. */
  get size(): number {
    return this.#open.size;
  }

  /**
   * Adds a stream, which gets no events before it {@link join}s. The reader of the store begins with the first.
   *
   * @throws what the store throws when it is asked for its present end
   */
  async enter(follower: Follower): Promise<void> {
    this.#open.add(follower);
    try {
      await this.#begin();
    } catch (error) {
      this.leave(follower);
      throw error;
    }
  }

  /** The cursor up to which everything was read. */
  get position(): string {
    return this.#position;
  }

  /**
   * The events that were read after a cursor, where they are remembered.
   *
   * @returns `null` where the store must be asked
   */
  since(cursor: string | undefined): readonly LeaseEvent[] | null {
    if (cursor === this.#position) return [];
    if (cursor === this.#recentAfter) return [...this.#recent];
    const at = this.#recent.findLastIndex((event) => event.cursor === cursor);
    return at < 0 ? null : this.#recent.slice(at + 1);
  }

  /** Resolves when everything was read that the store has now: what any cursor that a client has may name. */
  async catchUp(signal: AbortSignal): Promise<void> {
    let last: string | undefined;
    const unread = { after: this.#position, follow: false, signal };
    for await (const { cursor } of this.#backend.changes(unread)) last = cursor;
    if (last === undefined || signal.aborted || this.since(last) !== null) return;
    const cursor = last;
    await new Promise<void>((resolve) => {
      this.#expected.set(cursor, [...(this.#expected.get(cursor) ?? []), resolve]);
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  /** Calls `join` at a moment when all that was read has been sent, or is on its way, to the streams that are in. */
  between<T>(join: () => T): Promise<T> {
    if (this.#sending === null) return Promise.resolve(join());
    return new Promise((resolve) => this.#joining.push(() => resolve(join())));
  }

  /** From now on the stream gets what is read and passes its filters. To be called {@link between}. */
  join(follower: Follower, filters: Filters): void {
    if (!this.#open.has(follower)) return;
    const channel = this.#audience.channel(filters);
    channel.followers.add(follower);
    this.#channels.set(follower, channel);
  }

  /** Moves a stream out; the reader ends with the last. */
  leave(follower: Follower): void {
    this.#open.delete(follower);
    const channel = this.#channels.get(follower);
    this.#channels.delete(follower);
    channel?.followers.delete(follower);
    if (channel?.followers.size === 0) this.#audience.remove(channel);
    if (this.#open.size === 0) this.#stop();
  }

  /** The text of an event, made once. */
  frame(event: LeaseEvent): string {
    let frame = this.#frames.get(event);
    if (frame === undefined) {
      frame = frameOf(event);
      this.#frames.set(event, frame);
    }
    return frame;
  }

  #begin(): Promise<void> {
    this.#reading ??= this.#start();
    return this.#reading.begun;
  }

  #start() {
    const stop = new AbortController();
    const begun = presentEnd(this.#backend).then((end) => {
      if (stop.signal.aborted) return;
      this.#position = end;
      this.#recentAfter = end;
      this.#beats = setInterval(() => this.#beat(), this.#options.heartbeatMs).unref();
      void this.#read(end, stop.signal).catch((error: unknown) => {
        if (stop.signal.aborted) return;
        for (const follower of [...this.#open]) follower.end(error);
        this.#stop();
      });
    });
    begun.catch(() => this.#stop());
    return { stop, begun };
  }

  #stop(): void {
    this.#reading?.stop.abort();
    this.#reading = null;
    this.#recent = [];
    this.#recentAfter = "";
    this.#position = "";
    for (const resolve of [...this.#expected.values()].flat()) resolve();
    this.#expected.clear();
    clearInterval(this.#beats);
  }

  async #read(after: string, signal: AbortSignal): Promise<void> {
    const { gatherMs } = this.#options;
    const events = this.#backend.changes({ after, follow: true, signal })[Symbol.asyncIterator]();
    try {
      for (;;) {
        const askedAt = performance.now();
        const step = await events.next();
        if (step.done === true || signal.aborted) return;
        this.#take(step.value);
        // Asked for again a moment later, the store gives all that happened meanwhile in one answer.
        if (performance.now() - askedAt > WAITED_MS) await sleep(gatherMs, null, { signal });
      }
    } finally {
      await events.return?.();
    }
  }

  #take(event: LeaseEvent): void {
    this.#position = event.cursor;
    this.#recent.push(event);
    if (this.#recent.length >= 2 * RECENT) {
      this.#recentAfter = this.#recent[RECENT - 1]?.cursor as string;
      this.#recent = this.#recent.slice(RECENT);
    }
    for (const resolve of this.#expected.get(event.cursor) ?? []) resolve();
    this.#expected.delete(event.cursor);
    let wanted = false;
    for (const channel of this.#audience.of(event)) {
      channel.frames.push(this.frame(event));
      wanted = true;
    }
    if (wanted) this.#sending ??= this.#sendSoon();
  }

  /** Sends what was gathered: at once after a quiet moment, else when the last write is long enough ago. */
  async #sendSoon(): Promise<void> {
    const waitMs = this.#sentAt + this.#options.gatherMs - performance.now();
    // Unless it is long ago, the rest of what the store answered with is taken first.
    await (waitMs > 0 ? sleep(waitMs) : setImmediate());
    const writes: { readonly chunk: Buffer; readonly followers: readonly Follower[] }[] = [];
    for (const channel of this.#audience.channels) {
      const chunk = gathered(channel);
      if (chunk !== null) writes.push({ chunk, followers: [...channel.followers] });
    }
    const joining = this.#joining;
    this.#joining = [];
    for (const join of joining) join();
    let written = 0;
    for (const { chunk, followers } of writes) {
      for (const follower of followers) {
        follower.send(chunk);
        written += 1;
        if (written % AT_ONCE === 0) await setImmediate();
      }
    }
    this.#sentAt = performance.now();
    this.#sending = null;
    const isMore = [...this.#audience.channels].some(({ frames }) => frames.length > 0);
    if (isMore || this.#joining.length > 0) this.#sending = this.#sendSoon();
  }

  /** A client that comes back after a quiet time comes back with a late id, also when its filters let nothing pass. */
  #beat(): void {
    const joined = new Set<Follower>();
    const isUpToDate = this.#sending === null;
    for (const { followers } of this.#audience.channels) {
      for (const follower of followers) {
        joined.add(follower);
        follower.beat(stillHere(isUpToDate ? this.#position : undefined));
      }
    }
    for (const follower of this.#open) if (!joined.has(follower)) follower.beat(stillHere(undefined));
  }
}

/** All frames of a channel in one piece, which are then no longer gathered. */
function gathered(channel: Channel): Buffer | null {
  if (channel.frames.length === 0) return null;
  const chunk = Buffer.from(channel.frames.join(""));
  channel.frames = [];
  return chunk;
}
