/**
 * Waiting for one's turn. Whoever ends a lease publishes the ids of those who can now be granted to their clients, or
 * that one was granted in the same step (a hand-off); who missed that (no subscription yet, or a broken one) looks for
 * itself, and so does who waits for time alone.
 */
import type { Lease } from "@lease/core";
import { type AcquireRequest, closed, sameClaims, type TurnRequest, timestamp } from "@lease/core/backend";
import { encodeLook, numberAt } from "./codec.js";
import type { Told } from "./steps.js";
import type { Subscriber } from "./subscriber.js";

/** Without a subscription a waiter looks this often. */
const LOOK_EVERY_MS = 250;
/** The server's time is told in whole ms, so it may be later by nearly one. */
const TICK_MS = 1;
/**
 * A hand-off that is older is asked about: by then somebody else may have ended the lease, and clocks that do not go
 * quite alike have told less and less of each other.
 */
const HAND_OFF_FRESH_MS = 1_000;
/** The longest delay that a timer takes. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** A place in line that was entered here, and that nobody waits for or asks about any more, is forgotten after this. */
const FORGET_AFTER_MS = 60_000;

/** What was answered to a request that stands in line. */
interface Ticket {
  readonly lease: Lease;
  /** The last answer that told of it. */
  readonly told: Told;
}

/** A grant by who freed the claims. */
interface HandOff {
  readonly token: number;
  /** On the server's clock. */
  readonly at: number;
}

/** A pending request of this process. */
interface Place {
  ticket: Ticket | null;
  handed: HandOff | null;
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
    place.handed = null;
    place.generation = this.#subscriber.generation;
    place.lookAt = Number.POSITIVE_INFINITY;
  }

  /** It stands in line, as was told, and nothing changes by time alone before `retryInMs`. */
  standing(lease: Lease, retryInMs: number, told: Told): void {
    const place = this.#place(lease.id);
    // Its own end, too, is something to hear of.
    place.lookAt = performance.now() + Math.min(retryInMs, lease.expiresInMs);
    place.ticket = { lease, told };
  }

  /** Whether the last that was told here of this request is that it stands in line. */
  isStanding(id: string): boolean {
    return (this.#places.get(id)?.ticket ?? null) !== null;
  }

  /**
   * The lease that was handed to this request just now, once; `null` when the server has to be asked. Its time runs since
   * the hand-off, and nobody knows how long the message was on its way. So what is left is counted from the latest that
   * the server's clock can show by now: it is rather less than the lease really has. A time that it cannot show yet was
   * told by a clock that was set, or by another one.
   */
  handedTo({ id, agentId, claims }: AcquireRequest): Lease | null {
    const place = this.#places.get(id);
    const { ticket = null, handed = null } = place ?? {};
    if (!place || ticket === null || handed === null) return null;
    place.handed = null;
    const { lease, told } = ticket;
    const ageMs = latest(told) - handed.at;
    const expiresInMs = Math.floor(lease.ttlMs - ageMs);
    if (ageMs < 0 || ageMs > HAND_OFF_FRESH_MS || expiresInMs <= 0) return null;
    // An earlier life of the id has another token.
    if (handed.token !== lease.token || lease.agentId !== agentId || !sameClaims(lease.claims, claims))
      return null;
    this.gone(id);
    const times = { acquiredAt: timestamp(handed.at), expiresAt: timestamp(handed.at + lease.ttlMs) };
    return { ...lease, state: "active", expiresInMs, ...times };
  }

  /** It does not stand in line (any more), or nobody knows: who waits for it has to look. */
  gone(id: string): void {
    const place = this.#places.get(id);
    if (place === undefined) return;
    place.generation = 0;
    place.ticket = null;
    for (const wake of place.wake) wake();
    if (place.waits === 0) this.#places.delete(id);
  }

  /** Somebody says that the turn of an id may have come, or, with token and time, that it was granted. */
  called(message: string): void {
    const [id = "", token, at] = message.split(" ");
    const place = this.#places.get(id);
    if (place === undefined) return;
    place.called = true;
    // By the clock of the server that was asked: through another subscription another one may speak.
    const isKnown = place.generation > 0 && place.generation === this.#subscriber.generation;
    if (at !== undefined && isKnown) place.handed = { token: Number(token), at: Number(at) };
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
      if (this.#closed) throw closed("redis");
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
      const lookInMs = await this.#look(place, id);
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
  async #look(place: Place, id: string): Promise<number | null> {
    const told = await this.#run(encodeLook(id));
    if (place.ticket) place.ticket = { ...place.ticket, told };
    const answer = told.answer as Buffer;
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
        ticket: null,
        handed: null,
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

/**
 * The latest that the server's clock can show by now. The monotonic clock stands still while a machine sleeps, the wall
 * clock may be set back: whichever has gone further counts.
 */
function latest({ now, sentAt, sentWall }: Told): number {
  return now + TICK_MS + Math.max(performance.now() - sentAt, Date.now() - sentWall);
}
