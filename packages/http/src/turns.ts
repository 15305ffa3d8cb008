/** One long poll for all that wait in this process; a waiter that comes or goes begins it again. */
import { closed, type TurnRequest } from "@lease/core/backend";
import type { Client } from "./client.js";
import { errorOf, type Problem } from "./errors.js";

/** The most ids in one poll. */
const MOST_IDS = 1_000;
/** Core's heartbeats come sooner; this only keeps a quiet poll from looking dead to what lies between. */
const POLL_MS = 25_000;

interface Waiter {
  readonly id: string;
  readonly settle: (error?: unknown) => void;
}

export class TurnPoll {
  readonly #client: Client;
  readonly #mostMs: number;
  readonly #waiters = new Set<Waiter>();
  #poll: AbortController | undefined;
  #planned = false;

  constructor(client: Client, mostMs: number) {
    this.#client = client;
    this.#mostMs = Math.min(mostMs, POLL_MS);
  }

  /** Implements `LeaseBackend.turn`. */
  wait({ id, timeoutMs, signal }: TurnRequest): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const settle = (error?: unknown) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        this.#waiters.delete(waiter);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onAbort = () => settle();
      const waiter: Waiter = { id, settle };
      const timer = setTimeout(onAbort, Math.min(timeoutMs, 2 ** 31 - 1));
      signal?.addEventListener("abort", onAbort);
      this.#waiters.add(waiter);
      this.#plan();
    });
  }

  close(): void {
    this.#poll?.abort();
    for (const { settle } of [...this.#waiters]) settle(closed("http"));
  }

  /** Waiters of one tick are asked for together. */
  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    queueMicrotask(() => {
      this.#planned = false;
      this.#poll?.abort();
      void this.#ask();
    });
  }

  async #ask(): Promise<void> {
    const poll = new AbortController();
    this.#poll = poll;
    while (this.#waiters.size > 0 && !poll.signal.aborted) {
      const asked = [...this.#waiters].slice(0, MOST_IDS);
      try {
        const ids = [...new Set(asked.map(({ id }) => id))];
        const lines = this.#client.lines("/v1/steps/turns", { ids, timeoutMs: this.#mostMs }, poll.signal);
        for await (const line of lines) {
          const { id, error } = JSON.parse(line) as { id: string; error?: Problem };
          const failure = error && errorOf(error);
          for (const waiter of [...this.#waiters]) if (waiter.id === id) waiter.settle(failure);
        }
      } catch (error) {
        if (poll.signal.aborted) return;
        // They ask again by their heartbeat, and pause before.
        for (const waiter of asked) waiter.settle(error);
      }
    }
  }
}
