/**
 * Hears of losses by the backend's change feed, sooner than the next renewal would tell. Only a hint that saves time:
 * whatever becomes of the feed, renewals and deadlines decide all the same.
 */

import type { LeaseBackend } from "../backend/backend.js";
import type { Clock } from "../clock.js";
import { pause, retryDelayMs } from "./backoff.js";
import type { Handle } from "./held.js";

export class LossFeed {
  readonly #backend: LeaseBackend;
  readonly #agentId: string;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #handles = new Map<string, Handle>();
  #following: { readonly stop: AbortController; readonly done: Promise<void> } | null = null;

  constructor(backend: LeaseBackend, agentId: string, clock: Clock, random: () => number) {
    this.#backend = backend;
    this.#agentId = agentId;
    this.#clock = clock;
    this.#random = random;
  }

  watch(handle: Handle): void {
    this.#handles.set(handle.id, handle);
    if (this.#following !== null) return;
    const stop = new AbortController();
    this.#following = { stop, done: this.#follow(stop.signal) };
  }

  unwatch(handle: Handle): void {
    this.#handles.delete(handle.id);
    if (this.#handles.size === 0) void this.stop();
  }

  async stop(): Promise<void> {
    const following = this.#following;
    this.#following = null;
    following?.stop.abort();
    await following?.done;
  }

  /** Follows until told to stop; a feed that breaks is taken up again at its end. Never rejects. */
  async #follow(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        const agentId = this.#agentId;
        const types = ["expired", "revoked", "revoking"] as const;
        for await (const event of this.#backend.changes({
          after: "end",
          follow: true,
          agentId,
          types,
          signal,
        })) {
          failures = 0;
          const handle = this.#handles.get(event.lease.id);
          if (handle?.token !== event.lease.token) continue;
          const { type, by, reason, lease } = event;
          if (type === "expired" || type === "revoked") handle.onEndSeen(type, by, reason);
          else if (lease.revoking !== null) handle.onRevokingSeen(lease.revoking);
        }
      } catch {
        // Renewals go on telling; the feed is tried again below.
      }
      await pause(this.#clock, retryDelayMs(failures + 1, this.#random), signal);
    }
  }
}
