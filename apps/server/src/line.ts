/**
 * Long polls, joined by id. Each call waits by core's `waitForLease`, with its own patience; what the calls of one id
 * share is the place in line and what was granted, so only the last one to go gives them back.
 *
 * Each call is answered from a question of its own, so that `expiresInMs` can be counted from when *it* was sent.
 */
import {
  type Lease,
  type LeaseBackend,
  LeaseError,
  systemClock,
  unavailable,
  type WaitContext,
  waitForLease,
} from "@lease/core";
import type {
  AcquireRequest,
  AcquireResult,
  ChangesOptions,
  LeaseQuery,
  ReleaseRequest,
  ReleaseResult,
  RenewRequest,
  SweepOptions,
  TurnRequest,
} from "@lease/core/backend";

export type Ask = Omit<AcquireRequest, "wait">;

export interface Granted {
  readonly lease: Lease;
  /** The id was active before this call. */
  readonly repeated: boolean;
}

/** An answer that took longer than this is asked for again before it is passed on. */
const STALE_MS = 100;

/** What the calls of one id and agent share. It lives until the last of them has gone and tidied up behind itself. */
class Place {
  readonly calls = new Set<SharedView>();
  /** What still goes on for calls that have their answer. */
  cleanups = 0;
  /** The grant was made for a call of this place. */
  granted = false;
  /** Somebody was told of the grant, or had it before: nobody's hanging up takes it back. */
  told = false;
  /** Resolves when a release that was sent has been answered: it must not meet a newcomer's question. */
  released: Promise<unknown> | null = null;
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
    const key = `${ask.id} ${ask.agentId}`;
    const place = this.#places.get(key) ?? new Place();
    this.#places.set(key, place);
    const call = new SharedView(this.#backend, place, signal);
    place.calls.add(call);
    try {
      const outcome = await waitForLease(this.#contextOf(key, place, call), ask, { waitMs, signal });
      if (outcome.status === "refused") {
        const { agentId } = ask;
        const { refusal, waitedMs } = outcome;
        throw unavailable(ask.claims, refusal, { agentId, waitedMs, toQueue: "send waitMs to queue" });
      }
      place.told = true;
      return outcome.grant;
    } finally {
      place.calls.delete(call);
      this.#forget(key, place);
    }
  }

  /** Resolves when everybody who left has given back what they had. */
  async settled(): Promise<void> {
    while (this.#cleanups.size > 0) await Promise.all(this.#cleanups);
  }

  #forget(key: string, place: Place): void {
    const isOver = place.calls.size === 0 && place.cleanups === 0;
    if (isOver && this.#places.get(key) === place) this.#places.delete(key);
  }

  #contextOf(key: string, place: Place, backend: LeaseBackend): WaitContext {
    return {
      backend,
      clock: systemClock,
      createId: null,
      random: Math.random,
      onCleanup: (cleanup) => {
        this.#cleanups.add(cleanup);
        place.cleanups += 1;
        void cleanup.finally(() => {
          this.#cleanups.delete(cleanup);
          place.cleanups -= 1;
          this.#forget(key, place);
        });
      },
    };
  }
}

/** The backend as one call of a place sees it: leaving means something only for the last one there. */
class SharedView implements LeaseBackend {
  readonly #backend: LeaseBackend;
  readonly #place: Place;
  readonly #signal: AbortSignal;

  constructor(backend: LeaseBackend, place: Place, signal: AbortSignal) {
    this.#backend = backend;
    this.#place = place;
    this.#signal = signal;
  }

  get kind() {
    return this.#backend.kind;
  }

  get limits() {
    return this.#backend.limits;
  }

  async acquire(request: AcquireRequest): Promise<AcquireResult> {
    const place = this.#place;
    if (place.released !== null) await place.released;
    // Nothing was sent, so there is nothing to abandon: who comes back with this id must not find it buried.
    if (this.#signal.aborted) throw new LeaseError("BACKEND_UNAVAILABLE", "Nobody waits for this answer.");
    const others = place.calls.size - (place.calls.has(this) ? 1 : 0);
    const asked: AcquireRequest = others > 0 ? { ...request, wait: "hand-off" } : request;
    const askedAt = systemClock.now();
    const result = await this.#backend.acquire(asked);
    if (result.status !== "granted") return result;
    if (!result.repeated) place.granted = true;
    else if (!place.granted) place.told = true;
    if (systemClock.now() - askedAt < STALE_MS) return result;
    // In here, so that whoever hangs up meanwhile gives back what was granted. Without an answer the first one is
    // true all the same.
    const again = await this.#backend.acquire(asked).catch(() => result);
    return again.status === "granted" ? { ...again, repeated: result.repeated } : again;
  }

  async release(requests: readonly ReleaseRequest[]): Promise<ReleaseResult[]> {
    const place = this.#place;
    // First of all, so that of two who leave together the second one finds nobody there.
    place.calls.delete(this);
    // An unanswered ask whose client is still there: it is told to ask again, so its id must live on.
    const willBeRepeated = !this.#signal.aborted && requests.some(({ kind }) => kind === "abandon");
    if (place.calls.size > 0 || place.told || willBeRepeated) {
      return requests.map(() => ({ status: "not-found" }));
    }
    const released = this.#backend.release(requests);
    place.released = Promise.allSettled([place.released, released]);
    return released;
  }

  turn(wait: TurnRequest) {
    return this.#backend.turn(wait);
  }

  renew(requests: readonly RenewRequest[]) {
    return this.#backend.renew(requests);
  }

  list(query: LeaseQuery) {
    return this.#backend.list(query);
  }

  sweep(options: SweepOptions) {
    return this.#backend.sweep(options);
  }

  changes(options: ChangesOptions) {
    return this.#backend.changes(options);
  }

  close() {
    return this.#backend.close();
  }
}
