/**
 * Long polls, joined by id. Each call waits by core's `waitForLease`, with its own patience; what the calls of one id
 * share is the place in line and what was granted, so only the last one to go gives them back.
 *
 * Each call is answered from a question of its own, so that `expiresInMs` can be counted from when *it* was sent.
 */
import {
  type AcquireRequest,
  type AcquireResult,
  DEFAULTS,
  type Lease,
  type LeaseBackend,
  systemClock,
  unavailable,
  type WaitContext,
  waitForLease,
} from "@lease/core";
import { endedError } from "./outcomes.js";

export type Ask = Omit<AcquireRequest, "wait">;

export interface Granted {
  readonly lease: Lease;
  /** The id was active before this call. */
  readonly repeated: boolean;
}

/** An answer that took longer than this is asked for again before it is passed on. */
const STALE_MS = 100;

/** What the calls of one id share. */
class Place {
  readonly calls = new Set<symbol>();
  /** The grant was made for a call of this place. */
  granted = false;
  /** Somebody was told of the grant, or had it before: nobody's hanging up takes it back. */
  told = false;
  /** Resolves when whoever left has left: its late release must not meet a newcomer. */
  left: Promise<unknown> = Promise.resolve();
}

export class Line {
  readonly #backend: LeaseBackend;
  readonly #places = new Map<string, Place>();
  readonly #cleanups = new Set<Promise<void>>();

  constructor(backend: LeaseBackend) {
    this.#backend = backend;
  }

  /**
   * Asks, and with `waitMs` stands in line.
   *
   * @param signal - aborts when the client is gone or the server drains; the place in line is then given back
   * @throws `LEASE_UNAVAILABLE` with the blockers; whatever else `waitForLease` throws
   */
  async ask(ask: Ask, waitMs: number, signal: AbortSignal): Promise<Granted> {
    signal.throwIfAborted();
    const place = this.#placeOf(ask.id);
    const me = Symbol(ask.id);
    const leave = () => place.calls.delete(me);
    place.calls.add(me);
    // At once, before anybody who leaves with it looks who is still here.
    signal.addEventListener("abort", leave, { once: true });
    try {
      const context = this.#contextOf(place, me, signal);
      const outcome = await waitForLease(context, ask, { waitMs, signal });
      if (outcome.status === "refused") {
        // Who asked at once did not stand in line, however long the answer took.
        throw unavailable(ask.claims, outcome.refusal, waitMs === 0 ? 0 : outcome.waitedMs);
      }
      place.told = true;
      const { lease, repeated, sentAt } = outcome.grant;
      const isFresh = systemClock.now() - sentAt < STALE_MS;
      return { lease: isFresh ? lease : await this.#askAgain(ask), repeated };
    } finally {
      leave();
      signal.removeEventListener("abort", leave);
      this.#forget(ask.id, place);
    }
  }

  /** Resolves when everybody who left has given back what they had. */
  async settled(): Promise<void> {
    while (this.#cleanups.size > 0) await Promise.all(this.#cleanups);
  }

  #placeOf(id: string): Place {
    const place = this.#places.get(id) ?? new Place();
    this.#places.set(id, place);
    return place;
  }

  #forget(id: string, place: Place): void {
    const { left } = place;
    void left.then(() => {
      const isOver = place.calls.size === 0 && place.left === left && this.#places.get(id) === place;
      if (isOver) this.#places.delete(id);
    });
  }

  async #askAgain(ask: Ask): Promise<Lease> {
    const result = await this.#backend.acquire({ ...ask, wait: false });
    if (result.status === "granted") return result.lease;
    if (result.status === "ended") throw endedError(ask.id, result);
    throw unavailable(ask.claims, result);
  }

  #contextOf(place: Place, me: symbol, signal: AbortSignal): WaitContext {
    const { limits } = this.#backend;
    return {
      backend: this.#sharedView(place, me, signal),
      clock: systemClock,
      createId: null,
      random: Math.random,
      marginOf: (expiresInMs) => limits.clockGranularityMs + expiresInMs * DEFAULTS.driftPart,
      onCleanup: (cleanup) => {
        this.#cleanups.add(cleanup);
        void cleanup.finally(() => this.#cleanups.delete(cleanup));
      },
    };
  }

  /** The backend as one call of a place sees it: leaving means something only for the last one there. */
  #sharedView(place: Place, me: symbol, signal: AbortSignal): LeaseBackend {
    const backend = this.#backend;
    const others = () => place.calls.size - (place.calls.has(me) ? 1 : 0);
    return {
      kind: backend.kind,
      limits: backend.limits,
      async acquire(request): Promise<AcquireResult> {
        await place.left;
        signal.throwIfAborted();
        const result = await backend.acquire({ ...request, wait: request.wait || others() > 0 });
        if (result.status === "granted") {
          if (!result.repeated) place.granted = true;
          else if (!place.granted) place.told = true;
        }
        return result;
      },
      async release(requests) {
        place.calls.delete(me);
        // An unanswered ask whose client is still there: it is told to ask again, so its id must live on.
        const willBeRepeated = !signal.aborted && requests.some(({ kind }) => kind === "abandon");
        if (place.calls.size > 0 || place.told || willBeRepeated) {
          return requests.map(() => ({ status: "not-found" }));
        }
        const released = backend.release(requests);
        place.left = Promise.allSettled([place.left, released]);
        return released;
      },
      turn: (wait) => backend.turn(wait),
      renew: (requests) => backend.renew(requests),
      list: (query) => backend.list(query),
      sweep: (options) => backend.sweep(options),
      changes: (options) => backend.changes(options),
      close: () => backend.close(),
    };
  }
}
