/** A wait for a turn that a deadlock or an abort can end, too. */
import type { Clock } from "../clock.js";

export class TurnWatch {
  readonly #clock: Clock;
  readonly #over = new AbortController();
  /** How the call ended; `null` while it goes on. */
  #ended: { readonly error?: unknown } | null = null;
  #wake = (): void => {};

  /** @param call - the call of `turn`, which ends early when its signal aborts */
  constructor(clock: Clock, call: (signal: AbortSignal) => Promise<void>) {
    this.#clock = clock;
    call(this.#over.signal).then(
      () => this.#end({}),
      (error: unknown) => this.#end({ error }),
    );
  }

  /**
   * Resolves when the turn may have come, when {@link wake} is called, or after `ms`.
   *
   * @throws what the call threw
   */
  async next(ms: number): Promise<void> {
    if (this.#ended === null) {
      await new Promise<void>((resolve) => {
        const cancel = this.#clock.schedule(ms, resolve);
        this.#wake = () => {
          cancel();
          resolve();
        };
      });
    }
    // Read again: it may have ended meanwhile.
    const ended = this.#ended as { readonly error?: unknown } | null;
    if (ended !== null && "error" in ended) throw ended.error;
  }

  /** Ends the present {@link next}. */
  wake(): void {
    this.#wake();
  }

  /** Ends the call. */
  stop(): void {
    this.#over.abort();
  }

  #end(how: { readonly error?: unknown }): void {
    this.#ended = how;
    this.#wake();
  }
}
