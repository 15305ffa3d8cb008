/**
 * Learns of losses from the backend's change feed, sooner than from the next renewal. Only a hint that saves time:
 * whatever becomes of the feed, renewals and deadlines decide. It keeps no process alive.
 */

import type { LeaseBackend } from "../backend/backend.js";
import { listAll, presentEnd } from "../backend/page.js";
import type { Clock } from "../clock.js";
import { pause, retryDelayMs } from "./backoff.js";
import type { Handle } from "./handle.js";

/** To begin and end a follower costs a store more than a short lease: what is over by then needs none. */
const FOLLOW_AFTER_MS = 100;

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

  /** Follows until it is stopped; a feed that breaks is taken up again. Never rejects. */
  async #follow(signal: AbortSignal): Promise<void> {
    await pause(this.#clock, FOLLOW_AFTER_MS, signal, true);
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        const after = await this.#catchUp();
        const agentId = this.#agentId;
        const types = ["expired", "revoked", "revoking"] as const;
        const following = { after, follow: true, agentId, types, signal, background: true };
        for await (const event of this.#backend.changes(following)) {
          failures = 0;
          const handle = this.#handles.get(event.lease.id);
          if (handle?.token !== event.lease.token) continue;
          const { type, by, reason, lease } = event;
          if (type === "expired" || type === "revoked") handle.onEndSeen(type, by, reason);
          else if (lease.revoking !== null) handle.onRevokingSeen(lease.revoking);
        }
      } catch {
        // Renewals go on; the feed is tried again below.
      }
      await pause(this.#clock, retryDelayMs(failures + 1, this.#random), signal, true);
    }
  }

  /** Finds what was lost while nothing was followed. Returns where to follow on from. */
  async #catchUp(): Promise<string> {
    const unlisted = new Map(this.#handles);
    const after = await presentEnd(this.#backend);
    for (const { id, revoking } of await listAll(this.#backend, { agentId: this.#agentId })) {
      if (revoking !== null) unlisted.get(id)?.onRevokingSeen(revoking);
      unlisted.delete(id);
    }
    for (const handle of unlisted.values()) handle.onUnlisted();
    return after;
  }
}
