/** What is live in the store, as its feed tells it: at hand without asking, since a question would be an event. */
import type { Clock, Lease, LeaseEvent } from "@lease/core";
import { blockersOf } from "@lease/core/backend";

interface Entry {
  readonly lease: Lease;
  readonly expires: number;
}

export class Picture {
  readonly #clock: Pick<Clock, "now">;
  readonly #entries = new Map<string, Entry>();

  /** @param clock - the store's */
  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  add({ lease }: LeaseEvent): void {
    if (lease.state === "pending" || lease.state === "active") {
      this.#entries.set(lease.id, { lease, expires: this.#now() + lease.expiresInMs });
    } else {
      this.#entries.delete(lease.id);
    }
  }

  /** A heartbeat, which the feed does not tell. */
  extend(id: string, forMs: number): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#entries.set(id, { ...entry, expires: this.#now() + forMs });
  }

  get(id: string): Lease | undefined {
    const entry = this.#entries.get(id);
    return entry !== undefined && this.#now() < entry.expires ? entry.lease : undefined;
  }

  /** In order of token. */
  live(): Lease[] {
    const now = this.#now();
    return [...this.#entries.values()]
      .filter(({ expires }) => now < expires)
      .map(({ lease }) => lease)
      .sort((a, b) => a.token - b.token);
  }

  /** The pending leases, each with what stands in its way. */
  waits(): { readonly waiting: Lease; readonly blockers: readonly Lease[] }[] {
    const live = this.live();
    return live
      .filter(({ state }) => state === "pending")
      .map((waiting) => ({ waiting, blockers: blockersOf(waiting, live) }));
  }

  /** In whole milliseconds, as the store counts. */
  #now(): number {
    return Math.floor(this.#clock.now());
  }
}
