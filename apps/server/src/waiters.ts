/**
 * Long polls, joined by id. Each call waits by core's `waitForLease`, with its own patience; what the calls of one id
 * share is the waiter: its place in the queue and what was granted to it. So only the last call to go gives them back.
 *
 * Each call is answered from a request of its own, so that `expiresInMs` can be counted from when *it* was sent.
 */
import {
  type Lease,
  type LeaseBackend,
  LeaseError,
  systemClock,
  unavailable,
  waitForLease,
} from "@lease/core";
import type {
  AcquireRequest,
  AcquireResult,
  LeaseQuery,
  ReleaseRequest,
  ReleaseResult,
  RenewRequest,
  TurnRequest,
} from "@lease/core/backend";

export type Asked = Omit<AcquireRequest, "wait">;

export interface Granted {
  readonly lease: Lease;
  /** The id was active before this call. */
  readonly repeated: boolean;
}

/** An answer that took longer than this is asked for again before it is passed on. */
const STALE_MS = 100;

/** What the calls of one id and agent share. It lives until the last of them has gone and tidied up behind itself. */
class Waiter {
  readonly calls = new Set<CallView>();
  /** What still goes on for calls that have their answer. */
  cleanups = 0;
  /** The grant was made for a call of this waiter. */
  granted = false;
  /** A client was answered with the grant, or had it before: no call that hangs up takes it back. */
  reported = false;
  /** Resolves when a release that was sent has been answered: it must not meet the request of a call that comes now. */
  released: Promise<unknown> | null = null;
}

export class Waiters {
  readonly #backend: LeaseBackend;
  readonly #waiters = new Map<string, Waiter>();
  readonly #cleanups = new Set<Promise<void>>();

  constructor(backend: LeaseBackend) {
    this.#backend = backend;
  }

  /**
   * Requests a lease, and with `waitMs` waits in the queue.
   *
   * @param signal - aborts when the client is gone or the server drains; the place in the queue is then given back
   * @throws `LEASE_UNAVAILABLE` with the blockers; whatever else `waitForLease` throws
   */
  async acquire(asked: Asked, waitMs: number, signal: AbortSignal): Promise<Granted> {
    signal.throwIfAborted();
    const { id, agentId, claims } = asked;
    const key = `${id} ${agentId}`;
    const waiter = this.#waiters.get(key) ?? new Waiter();
    this.#waiters.set(key, waiter);
    const call = new CallView(this.#backend, waiter, signal);
    waiter.calls.add(call);
    const context = {
      backend: call,
      clock: systemClock,
      createId: null,
      random: Math.random,
      onCleanup: (cleanup: Promise<void>) => this.#tidy(key, waiter, cleanup),
    };
    try {
      const outcome = await waitForLease(context, asked, { waitMs, signal });
      if (outcome.status === "refused") {
        const { refusal, waitedMs } = outcome;
        throw unavailable(claims, refusal, { agentId, waitedMs, toQueue: "send waitMs to queue" });
      }
      waiter.reported = true;
      return outcome.grant;
    } finally {
      waiter.calls.delete(call);
      this.#forget(key, waiter);
    }
  }

  /** Resolves when every call that left has given back what it had. */
  async settled(): Promise<void> {
    while (this.#cleanups.size > 0) await Promise.all(this.#cleanups);
  }

  #tidy(key: string, waiter: Waiter, cleanup: Promise<void>): void {
    this.#cleanups.add(cleanup);
    waiter.cleanups += 1;
    void cleanup.finally(() => {
      this.#cleanups.delete(cleanup);
      waiter.cleanups -= 1;
      this.#forget(key, waiter);
    });
  }

  #forget(key: string, waiter: Waiter): void {
    const isOver = waiter.calls.size === 0 && waiter.cleanups === 0;
    if (isOver && this.#waiters.get(key) === waiter) this.#waiters.delete(key);
  }
}

/** As much of a backend as waiting asks. */
type AskedBackend = Parameters<typeof waitForLease>[0]["backend"];

/** The backend as one call of a waiter sees it: leaving means something only for the last one there. */
class CallView implements AskedBackend {
  readonly #backend: AskedBackend;
  readonly #waiter: Waiter;
  readonly #signal: AbortSignal;

  constructor(backend: AskedBackend, waiter: Waiter, signal: AbortSignal) {
    this.#backend = backend;
    this.#waiter = waiter;
    this.#signal = signal;
  }

  async acquire(request: AcquireRequest): Promise<AcquireResult> {
    const waiter = this.#waiter;
    if (waiter.released !== null) await waiter.released;
    // Nothing was sent, so there is nothing to abandon: a call that comes back with this id must not find it buried.
    if (this.#signal.aborted) throw new LeaseError("BACKEND_UNAVAILABLE", "No call waits for this answer.");
    const others = waiter.calls.size - (waiter.calls.has(this) ? 1 : 0);
    const asked: AcquireRequest = others > 0 ? { ...request, wait: "hand-off" } : request;
    const askedAt = systemClock.now();
    const result = await this.#backend.acquire(asked);
    if (result.status !== "granted") return result;
    if (!result.repeated) waiter.granted = true;
    else if (!waiter.granted) waiter.reported = true;
    if (systemClock.now() - askedAt < STALE_MS) return result;
    // In here, so that a call that hangs up meanwhile gives back what was granted. Without an answer the first one is
    // still true.
    const again = await this.#backend.acquire(asked).catch(() => result);
    return again.status === "granted" ? { ...again, repeated: result.repeated } : again;
  }

  async release(requests: readonly ReleaseRequest[]): Promise<ReleaseResult[]> {
    const waiter = this.#waiter;
    // First of all, so that of two calls that leave together the second one finds none there.
    waiter.calls.delete(this);
    // An unanswered request whose client is still there: it is told to ask again, so its id must live on.
    const willBeRepeated = !this.#signal.aborted && requests.some(({ kind }) => kind === "abandon");
    if (waiter.calls.size > 0 || waiter.reported || willBeRepeated) {
      return requests.map(() => ({ status: "not-found" }));
    }
    const released = this.#backend.release(requests);
    waiter.released = Promise.allSettled([waiter.released, released]);
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
}
