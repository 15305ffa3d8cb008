/** The server's way out: once begun, nothing new is granted, and whoever waits is sent away. */
import { LeaseError } from "@lease/core";

export class Draining {
  readonly #controller = new AbortController();

  /** Aborts when it begins, its reason being what those who wait are told. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  begin(): void {
    this.#controller.abort(
      new LeaseError(
        "CLOSED",
        "This server is shutting down and grants nothing new. Next: ask again in a moment.",
      ),
    );
  }

  /** @throws `CLOSED` once it has begun */
  refuse(): void {
    this.signal.throwIfAborted();
  }
}
