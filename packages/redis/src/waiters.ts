/**
 * Waiting for one's turn. The step that ends a lease publishes, to their clients, the ids of the requests that may now be
 * granted, or that one of them was granted in that step (a hand-off). A waiter whose client missed that, with no
 * subscription yet or a broken one, checks for itself; so does one that only time can let through.
 */
import type { Lease } from "@lease/core";
import { type AcquireRequest, closed, sameClaims, type TurnRequest, timestamp } from "@lease/core/backend";
import { msSince } from "./awake.js";
import { encodeCheck, numberAt, type Operation } from "./codec.js";
import type { Reply } from "./steps.js";
import type { Subscriber } from "./subscriber.js";

/** Without a subscription a waiter checks this often. */
const CHECK_EVERY_MS = 250;
/** The server's time comes in whole ms, so it may be later by nearly one. */
const TICK_MS = 1;
/**
 * An older hand-off is not trusted, and the server is asked: by then another agent may have ended the lease, and clocks
 * whose rates differ say less and less about each other.
 */
const HAND_OFF_FRESH_MS = 1_000;
/** The longest delay that a timer takes. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** A request that was queued here and is neither waited for nor asked about is forgotten after this. */
const FORGET_AFTER_MS = 60_000;

/** What the server said of a queued request. */
interface Queued {
  readonly lease: Lease;
  /** The last reply that was about it. */
  readonly reply: Reply;
}

/** A grant by the step that freed the claims. */
interface HandOff {
  readonly token: number;
  /** On the server's clock. */
  readonly at: number;
}

/** A pending request of this process. */
interface Waiter {
  queued: Queued | null;
  handOff: HandOff | null;
  /** Its turn may have come since it was last asked for. */
  notified: boolean;
  /** Of the subscription that received everything since it last checked or asked; 0: it must check. */
  generation: number;
  /** When time alone could bring its turn, on the monotonic clock. */
  checkAt: number;
  touchedAt: number;
  /** How many calls of `turn` wait for it. */
  turns: number;
  readonly wake: Set<() => void>;
}

/** The waiters of this process. One wakes only when the server says that it may be granted. */
export class Waiters {
  readonly #run: (operation: Operation) => Promise<Reply>;
  readonly #subscriber: Subscriber;
  readonly #waiters = new Map<string, Waiter>();
  readonly #waking = new Set<() => void>();
  #forgetAt = 0;
  #closed = false;

  constructor(run: (operation: Operation) => Promise<Reply>, subscriber: Subscriber) {
    this.#run = run;
    this.#subscriber = subscriber;
  }

  /** Before an acquire that may be queued is sent: its turn can come before its reply does. */
  onAsking(id: string): void {
    const waiter = this.#waiter(id);
    waiter.notified = false;
    waiter.handOff = null;
    waiter.generation = this.#subscriber.generation;
    waiter.checkAt = Number.POSITIVE_INFINITY;
  }

  /** It is queued, and nothing changes by time alone before `retryInMs`. */
  onQueued(lease: Lease, retryInMs: number, reply: Reply): void {
    const waiter = this.#waiter(lease.id);
    // Its own end, too, must be noticed.
    waiter.checkAt = performance.now() + Math.min(retryInMs, lease.expiresInMs);
    waiter.queued = { lease, reply };
  }

  /** Whether the last reply about this request said that it is queued. */
  isQueued(id: string): boolean {
    return (this.#waiters.get(id)?.queued ?? null) !== null;
  }

  /**
   * The lease that was handed to this request just now, once; `null` when the server has to be asked. Its time runs since
   * the hand-off, and how long the message travelled is not known. So what is left is counted from the latest that
   * the server's clock can show by now: it is rather less than the lease really has. A time that it cannot show yet comes
   * from a clock that was set, or from another one.
   */
  handedTo({ id, agentId, claims }: AcquireRequest): Lease | null {
    const waiter = this.#waiters.get(id);
    const { queued = null, handOff = null } = waiter ?? {};
    if (!waiter || queued === null || handOff === null) return null;
    waiter.handOff = null;
    const { lease, reply } = queued;
    const ageMs = latest(reply) - handOff.at;
    const expiresInMs = Math.floor(lease.ttlMs - ageMs);
    if (ageMs < 0 || ageMs > HAND_OFF_FRESH_MS || expiresInMs <= 0) return null;
    // An earlier life of the id has another token.
    if (handOff.token !== lease.token || lease.agentId !== agentId || !sameClaims(lease.claims, claims))
      return null;
    this.onGone(id);
    const times = { acquiredAt: timestamp(handOff.at), expiresAt: timestamp(handOff.at + lease.ttlMs) };
    return { ...lease, state: "active", expiresInMs, ...times };
  }

  /** It is not queued (any more), or whether it is cannot be known: calls that wait for it have to check. */
  onGone(id: string): void {
    const waiter = this.#waiters.get(id);
    if (waiter === undefined) return;
    waiter.generation = 0;
    waiter.queued = null;
    for (const wake of waiter.wake) wake();
    if (waiter.turns === 0) this.#waiters.delete(id);
  }

  /** A message: the turn of an id may have come, or, with token and time, it was granted. */
  onMessage(message: string): void {
    const [id = "", token, at] = message.split(" ");
    const waiter = this.#waiters.get(id);
    if (waiter === undefined) return;
    waiter.notified = true;
    // By the clock of the server that was asked: through another subscription another one may speak.
    const isKnown = waiter.generation > 0 && waiter.generation === this.#subscriber.generation;
    if (at !== undefined && isKnown) waiter.handOff = { token: Number(token), at: Number(at) };
    for (const wake of waiter.wake) wake();
  }

  /** A subscription began or ended: every waiter has to check. */
  onSubscriptionChanged(): void {
    for (const wake of [...this.#waking]) wake();
  }

  /** Ends every wait with `CLOSED`. */
  close(): void {
    this.#closed = true;
    for (const wake of [...this.#waking]) wake();
  }

  /** Implements `LeaseBackend.turn`. */
  async turn(request: TurnRequest): Promise<void> {
    const waiter = this.#waiter(request.id);
    this.#subscriber.start();
    waiter.turns += 1;
    try {
      await this.#untilNotified(waiter, request);
    } finally {
      waiter.turns -= 1;
      waiter.touchedAt = performance.now();
    }
  }

  async #untilNotified(waiter: Waiter, { id, timeoutMs, signal }: TurnRequest): Promise<void> {
    const until = performance.now() + timeoutMs;
    // A first subscription takes a moment: one check after it does for all that was missed before.
    let checkedAt = performance.now();
    for (;;) {
      if (this.#closed) throw closed("redis");
      if (signal?.aborted || waiter.notified) return;
      const now = performance.now();
      if (now >= until) return;

      const { generation } = this.#subscriber;
      const checkAt = Math.min(waiter.checkAt, this.#unheardAt(waiter, generation, checkedAt));
      if (now < checkAt) {
        await this.#change(waiter, Math.min(until, checkAt) - now, signal);
        continue;
      }
      checkedAt = now;
      const checkInMs = await this.#check(waiter, id);
      if (checkInMs === null) return;
      waiter.generation = generation;
      waiter.checkAt = checkedAt + checkInMs;
    }
  }

  /** From when on a message may have been missed. */
  #unheardAt(waiter: Waiter, generation: number, checkedAt: number): number {
    if (generation === 0) return checkedAt + CHECK_EVERY_MS;
    return waiter.generation === generation ? Number.POSITIVE_INFINITY : 0;
  }

  /** Ms until it is worth checking again; `null` when the turn may have come. */
  async #check(waiter: Waiter, id: string): Promise<number | null> {
    const reply = await this.#run(encodeCheck(id));
    if (waiter.queued) waiter.queued = { ...waiter.queued, reply };
    const answer = reply.answer as Buffer;
    return answer.length === 0 ? null : numberAt(answer, 0, 6);
  }

  #change(waiter: Waiter, withinMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        waiter.wake.delete(wake);
        this.#waking.delete(wake);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      // A timer may fire a little early. Then there is nothing to do yet, and the rest of the time is slept.
      const timer = setTimeout(wake, Math.min(Math.max(withinMs, 1), MAX_TIMER_MS));
      waiter.wake.add(wake);
      this.#waking.add(wake);
      signal?.addEventListener("abort", wake);
    });
  }

  #waiter(id: string): Waiter {
    const now = performance.now();
    this.#forget(now);
    let waiter = this.#waiters.get(id);
    if (waiter === undefined) {
      waiter = {
        queued: null,
        handOff: null,
        notified: false,
        generation: 0,
        checkAt: Number.POSITIVE_INFINITY,
        touchedAt: now,
        turns: 0,
        wake: new Set(),
      };
      this.#waiters.set(id, waiter);
    }
    waiter.touchedAt = now;
    return waiter;
  }

  /** Drops requests that were queued and that no caller came back for. */
  #forget(now: number): void {
    if (now < this.#forgetAt) return;
    this.#forgetAt = now + FORGET_AFTER_MS;
    for (const [id, waiter] of this.#waiters) {
      if (waiter.turns === 0 && waiter.touchedAt + FORGET_AFTER_MS < now) this.#waiters.delete(id);
    }
  }
}

/** The latest that the server's clock can show by now. */
function latest({ now, sent }: Reply): number {
  return now + TICK_MS + msSince(sent);
}
