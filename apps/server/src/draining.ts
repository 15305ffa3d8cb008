/** The server's way out: once begun, nothing new is granted, and whoever waits is sent away. */
import { LeaseError } from "@lease/core";

export class Draining {
  #reason: LeaseError<"CLOSED"> | undefined;
  /** Called when it begins. No event target: every request that asks for a lease is here for as long as it has no answer. */
  readonly #waiting = new Set<(reason: LeaseError<"CLOSED">) => void>();

  begin(): void {
    if (this.#reason !== undefined) return;
    this.#reason = new LeaseError(
      "CLOSED",
      "This server is shutting down and grants nothing new. Next: ask again in a moment.",
    );
    for (const sendAway of this.#waiting) sendAway(this.#reason);
  }

  /** @throws `CLOSED` once it has begun */
  refuse(): void {
    if (this.#reason !== undefined) throw this.#reason;
  }

  /** Calls `sendAway` with what those who wait are told, when it begins or at once if it has. */
  watch(sendAway: (reason: LeaseError<"CLOSED">) => void): void {
    this.#waiting.add(sendAway);
    if (this.#reason !== undefined) sendAway(this.#reason);
  }

  unwatch(sendAway: (reason: LeaseError<"CLOSED">) => void): void {
    this.#waiting.delete(sendAway);
  }
}
