/**
 * A bell: those who wait for it are woken together when it rings. For authors of backends: "there is something new
 * in the history".
 */
import { LeaseError } from "../errors.js";

/** Wakes all who wait, together, each time it rings. */
export class Bell {
  readonly #waiting = new Set<(error?: LeaseError) => void>();
  #closed = false;

  /** Whether there are waiters. */
  get waiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** Resolves at the next `ring()` or when `signal` aborts; rejects with `CLOSED` at `close()`. */
  wait(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: LeaseError) => {
        this.#waiting.delete(settle);
        signal?.removeEventListener("abort", onAbort);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onAbort = () => settle();
      if (this.#closed) return settle(closed());
      if (signal?.aborted) return settle();
      signal?.addEventListener("abort", onAbort);
      this.#waiting.add(settle);
    });
  }

  ring(): void {
    for (const settle of [...this.#waiting]) settle();
  }

  close(): void {
    this.#closed = true;
    for (const settle of [...this.#waiting]) settle(closed());
  }
}

function closed(): LeaseError<"CLOSED"> {
  return new LeaseError("CLOSED", "The backend was closed while its changes were followed.");
}
