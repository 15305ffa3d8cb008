/**
 * Waiting for one's turn. The step that ends a lease notifies the clients of the requests that may be granted then. A
 * waiter that may have missed that, with no connection that listens or a new one, checks for itself; so does one that
 * only time can let through.
 */
import { closed, type TurnRequest } from "@lease/core/backend";
import type { Reply } from "./answers.js";
import type { Operation } from "./codec.js";
import type { Listener } from "./listener.js";

/** With nothing that listens, a waiter checks this often. */
const CHECK_EVERY_MS = 250;
const MAX_TIMER_MS = 2 ** 31 - 1;
/** A request that is neither waited for nor asked about is forgotten after this. */
const FORGET_AFTER_MS = 60_000;

/** A pending request of this process. */
interface Waiter {
  /** Its turn may have come since it was last asked for. */
  notified: boolean;
  /** Of the connection that heard everything since it last checked or asked; 0: it must check. */
  generation: number;
  /** When time alone could bring its turn, on the monotonic clock. */
  checkAt: number;
  touchedAt: number;
  /** How many calls of `turn` wait for it. */
  turns: number;
  readonly wake: Set<() => void>;
}

export class Waiters {
  readonly #run: (operation: Operation) => Promise<Reply>;
  readonly #listener: Pick<Listener, "generation" | "listen">;
  readonly #channel: string;
  readonly #waiters = new Map<string, Waiter>();
  readonly #waking = new Set<() => void>();
  #forgetAt = 0;
  #closed = false;

  constructor(
    run: (operation: Operation) => Promise<Reply>,
    listener: Pick<Listener, "generation" | "listen">,
    channel: string,
  ) {
    this.#run = run;
    this.#listener = listener;
    this.#channel = channel;
  }

  /** Before an acquire that may be queued is sent: its turn can come before its answer does. */
  onAsking(id: string): void {
    this.#listener.listen(this.#channel);
    const waiter = this.#waiter(id);
    waiter.notified = false;
    waiter.generation = this.#listener.generation;
    waiter.checkAt = Number.POSITIVE_INFINITY;
  }

  /** It is queued, and nothing changes by time alone before. */
  onQueued(id: string, nothingForMs: number): void {
    this.#waiter(id).checkAt = performance.now() + nothingForMs;
  }

  /** It is pending no longer. */
  onGone(id: string): void {
    const waiter = this.#waiters.get(id);
    if (waiter === undefined) return;
    this.#waiters.delete(id);
    waiter.notified = true;
    for (const wake of [...waiter.wake]) wake();
  }

  onNotified(id: string): void {
    const waiter = this.#waiters.get(id);
    if (waiter === undefined) return;
    waiter.notified = true;
    for (const wake of [...waiter.wake]) wake();
  }

  /** The connection that listens came or went. */
  onListenerChanged(): void {
    for (const wake of [...this.#waking]) wake();
  }

  close(): void {
    this.#closed = true;
    this.onListenerChanged();
  }

  /** Implements `LeaseBackend.turn`. */
  async turn({ id, timeoutMs, signal }: TurnRequest): Promise<void> {
    this.#listener.listen(this.#channel);
    const waiter = this.#waiter(id);
    waiter.turns += 1;
    try {
      await this.#untilTurn(waiter, id, performance.now() + timeoutMs, signal);
    } finally {
      waiter.turns -= 1;
      waiter.touchedAt = performance.now();
    }
  }

  async #untilTurn(
    waiter: Waiter,
    id: string,
    until: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let checkedAt = performance.now();
    for (;;) {
      if (this.#closed) throw closed("postgres");
      if (signal?.aborted || waiter.notified) return;
      const now = performance.now();
      if (now >= until) return;
      const { generation } = this.#listener;
      const checkAt = Math.min(waiter.checkAt, this.#missedAt(waiter, generation, checkedAt));
      if (now < checkAt) {
        await this.#change(waiter, Math.min(until, checkAt) - now, signal);
        continue;
      }
      checkedAt = now;
      const { answer } = await this.#run({ kind: "turn", id });
      if (answer.length === 0) return;
      waiter.generation = generation;
      waiter.checkAt = checkedAt + (answer[0] as number);
    }
  }

  /** From when on a notification may have been missed. */
  #missedAt(waiter: Waiter, generation: number, checkedAt: number): number {
    if (generation === 0) return checkedAt + CHECK_EVERY_MS;
    return waiter.generation === generation ? Number.POSITIVE_INFINITY : 0;
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

  /** Drops requests that were queued and that no call came back for. */
  #forget(now: number): void {
    if (now < this.#forgetAt) return;
    this.#forgetAt = now + FORGET_AFTER_MS;
    for (const [id, waiter] of this.#waiters) {
      if (waiter.turns === 0 && waiter.touchedAt + FORGET_AFTER_MS < now) this.#waiters.delete(id);
    }
  }
}
