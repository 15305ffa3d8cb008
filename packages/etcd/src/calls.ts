/** Calls under way. Each ends within one bound for all of its steps, or with `CLOSED` when the backend is closed. */
import { closed } from "@lease/core/backend";
import { tooSlow } from "./errors.js";

const MAX_TIMER_MS = 2 ** 31 - 1;

export class Calls {
  /** Each with what ends it for its caller; its steps go on. */
  readonly #underWay = new Map<Promise<unknown>, (error: Error) => void>();

  /** @param late - what the call ends with when the bound is reached */
  run<T>(call: () => Promise<T>, boundMs: number, late = tooSlow): Promise<T> {
    return new Promise((resolve, reject) => {
      const running = call();
      this.#underWay.set(running, reject);
      const isBound = Number.isFinite(boundMs);
      const timer = isBound ? setTimeout(() => reject(late()), Math.min(boundMs, MAX_TIMER_MS)) : undefined;
      void running.then(resolve, reject).finally(() => {
        clearTimeout(timer);
        this.#underWay.delete(running);
      });
    });
  }

  /** @returns when no step is under way any more: from then on nothing puts keys on etcd leases */
  async close(): Promise<void> {
    for (const reject of this.#underWay.values()) reject(closed("etcd"));
    await Promise.allSettled(this.#underWay.keys());
  }
}
