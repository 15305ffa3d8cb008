/**
 * Waiting for one's turn. Whoever ends a lease publishes the ids of those who can now be granted to their clients; who
 * missed that (no subscription yet, or a broken one) looks for itself, and so does who waits for time alone.
 */
import { LeaseError, type TurnRequest } from "@lease/core";
import { encodeLook, numberAt } from "./codec.js";
import type { Told } from "./steps.js";
import type { Subscriber } from "./subscriber.js";

/** Without a subscription a waiter looks this often. */
const LOOK_EVERY_MS = 250;
/** The longest delay that a timer takes. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** A place in line that was entered here, and that nobody waits for or asks about any more, is forgotten after this. */
const FORGET_AFTER_MS = 60_000;

/** A pending request of this process. */
interface Place {
  /** Its turn may have come since it was last asked for. */
  called: boolean;
  /** Of the subscription that hears of everything since it last looked or asked; 0: it must look. */
  generation: number;
  /** When time alone could bring its turn, on the monotonic clock. */
  lookAt: number;
  touchedAt: number;
  /** How many wait for it. */
  waits: number;
  readonly wake: Set<() => void>;
}

/** Waiters of this process, woken only when the store says that they may be granted. */
export class Turns {
  readonly #run: (operation: string) => Promise<Told>;
  readonly #subscriber: Subscriber;
  readonly #places = new Map<string, Place>();
  readonly #waking = new Set<() => void>();
  #forgetAt = 0;
  #closed = false;

  constructor(run: (operation: string) => Promise<Told>, subscriber: Subscriber) {
    this.#run = run;
    this.#subscriber = subscriber;
  }

  /** Before an acquire that may enter the line is sent: its turn can come before its answer does. */
  asking(id: string): void {
    const place = this.#place(id);
    place.called = false;
    place.generation = this.#subscriber.generation;
    place.lookAt = Number.POSITIVE_INFINITY;
  }

  /** It stands in line, and nothing changes by time alone before `retryInMs`. */
  standing(id: string, retryInMs: number): void {
    this.#place(id).lookAt = performance.now() + retryInMs;
  }

  /** It does not stand in line (any more), or nobody knows: who waits for it has to look. */
  gone(id: string): void {
    const place = this.#places.get(id);
    if (place === undefined) return;
    place.generation = 0;
    for (const wake of place.wake) wake();
    if (place.waits === 0) this.#places.delete(id);
  }

  /** Somebody says that the turn of `id` may have come. */
  called(id: string): void {
    const place = this.#places.get(id);
    if (place === undefined) return;
    place.called = true;
    for (const wake of place.wake) wake();
  }

  /** A subscription began or ended: whoever waits has to look. */
  subscriptionChanged(): void {
    for (const wake of [...this.#waking]) wake();
  }

  /** Ends every wait with `CLOSED`. */
  close(): void {
    this.#closed = true;
    for (const wake of [...this.#waking]) wake();
  }

  async wait(wait: TurnRequest): Promise<void> {
    const place = this.#place(wait.id);
    this.#subscriber.start();
    place.waits += 1;
    try {
      await this.#untilCalled(place, wait);
    } finally {
      place.waits -= 1;
      place.touchedAt = performance.now();
    }
  }

  async #untilCalled(place: Place, { id, timeoutMs, signal }: TurnRequest): Promise<void> {
    const until = performance.now() + timeoutMs;
    // A first subscription takes a moment: one look after it does for all that was missed before.
    let lookedAt = performance.now();
    for (;;) {
      if (this.#closed) throw closedWhileWaiting();
      if (signal?.aborted || place.called) return;
      const now = performance.now();
      if (now >= until) return;

      const { generation } = this.#subscriber;
      const lookAt = Math.min(place.lookAt, this.#unheardAt(place, generation, lookedAt));
      if (now < lookAt) {
        await this.#change(place, Math.min(until, lookAt) - now, signal);
        continue;
      }
      lookedAt = now;
      const lookInMs = await this.#look(id);
      if (lookInMs === null) return;
      place.generation = generation;
      place.lookAt = lookedAt + lookInMs;
    }
  }

  /** From when on something may have been missed. */
  #unheardAt(place: Place, generation: number, lookedAt: number): number {
    if (generation === 0) return lookedAt + LOOK_EVERY_MS;
    return place.generation === generation ? Number.POSITIVE_INFINITY : 0;
  }

  /** Ms until it is worth looking again; `null` when the turn may have come. */
  async #look(id: string): Promise<number | null> {
    const answer = (await this.#run(encodeLook(id))).answer as Buffer;
    return answer.length === 0 ? null : numberAt(answer, 0, 6);
  }

  #change(place: Place, withinMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        place.wake.delete(wake);
        this.#waking.delete(wake);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      // A timer may fire a little early; then there is nothing to do yet, and the rest of the time is slept.
      const timer = setTimeout(wake, Math.min(Math.max(withinMs, 1), MAX_TIMER_MS));
      place.wake.add(wake);
      this.#waking.add(wake);
      signal?.addEventListener("abort", wake);
    });
  }

  #place(id: string): Place {
    const now = performance.now();
    this.#forget(now);
    let place = this.#places.get(id);
    if (place === undefined) {
      place = {
        called: false,
        generation: 0,
        lookAt: Number.POSITIVE_INFINITY,
        touchedAt: now,
        waits: 0,
        wake: new Set(),
      };
      this.#places.set(id, place);
    }
    place.touchedAt = now;
    return place;
  }

  /** Callers who entered the line and never came back. */
  #forget(now: number): void {
    if (now < this.#forgetAt) return;
    this.#forgetAt = now + FORGET_AFTER_MS;
    for (const [id, place] of this.#places) {
      if (place.waits === 0 && place.touchedAt + FORGET_AFTER_MS < now) this.#places.delete(id);
    }
  }
}

function closedWhileWaiting(): LeaseError<"CLOSED"> {
  return new LeaseError("CLOSED", "The backend was closed while this request waited for its turn.");
}
