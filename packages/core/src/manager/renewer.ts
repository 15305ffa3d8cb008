/**
 * Renews the leases of one manager: one timer, one batched call for all that are due, one call in flight.
 */
import type { LeaseBackend, RenewRequest, RenewResult } from "../backend/backend.js";
import type { CancelTimer, Clock } from "../clock.js";
import { LeaseError } from "../errors.js";
import type { Lease } from "../model/model.js";
import { sentNow } from "./belief.js";
import type { Sent } from "./context.js";

/** What the renewer needs of a handle. */
export interface Renewable {
  readonly lease: Lease;
  /** When it should next be renewed, on the monotonic clock. */
  renewAt: number;
  /** Resolves when the renewal under way is over; `null` while none is. */
  renewing: Promise<void> | null;
  /** Believed until then, on the monotonic clock. */
  readonly deadline: number;
  /** The request of the next renewal. A repeat after a lost reply carries the same count and is counted once. */
  renewRequest(ttlMs?: number): RenewRequest;
  /** Takes in what the backend answered to a renewal. */
  onRenewAnswer(result: RenewResult, request: RenewRequest, sent: Sent): void;
  /** Takes in that a renewal failed: it is tried again until the deadline. */
  onRenewFailure(error: unknown, request: RenewRequest): void;
}

/** The most leases in one call, so that a store that works on one call at a time is not held up. */
const MAX_BATCH = 256;

/** Leases that fall due within this part of their TTL are renewed along with those that are due. */
const TOGETHER_PART = 0.1;

export class Renewer {
  readonly #backend: LeaseBackend;
  readonly #clock: Clock;
  readonly #handles = new Set<Renewable>();
  #cancelTimer: CancelTimer = () => {};
  #armedFor = Number.POSITIVE_INFINITY;
  #inFlight = false;

  constructor(backend: LeaseBackend, clock: Clock) {
    this.#backend = backend;
    this.#clock = clock;
  }

  /** From now on the handle is renewed at its `renewAt`. */
  add(handle: Renewable): void {
    this.#handles.add(handle);
    this.#arm(handle.renewAt);
  }

  remove(handle: Renewable): void {
    this.#handles.delete(handle);
    if (this.#handles.size === 0) this.#disarm();
  }

  /** Renews a handle as soon as may be: it needs to know whether it still holds. */
  hurry(handle: Renewable): void {
    const now = this.#clock.now();
    if (!this.#handles.has(handle) || handle.renewAt <= now) return;
    handle.renewAt = now;
    this.#arm(now);
  }

  /** Renews one handle by a call of its own. Failures are the caller's as well as the handle's. */
  async renewNow(handle: Renewable, ttlMs?: number): Promise<RenewResult> {
    try {
      const [result] = await this.#send([handle], [handle.renewRequest(ttlMs)]);
      return result as RenewResult;
    } finally {
      if (this.#handles.has(handle)) this.#arm(handle.renewAt);
    }
  }

  #arm(at: number): void {
    if (this.#inFlight || at >= this.#armedFor) return;
    this.#cancelTimer();
    this.#armedFor = at;
    // Alone it keeps no process alive: a lease that no work goes on under need not be held.
    this.#cancelTimer = this.#clock.schedule(at - this.#clock.now(), () => void this.#renewDue(), {
      background: true,
    });
  }

  #disarm(): void {
    this.#cancelTimer();
    this.#armedFor = Number.POSITIVE_INFINITY;
  }

  /** Never rejects: what fails is tried again by the handles' own schedule. */
  async #renewDue(): Promise<void> {
    this.#disarm();
    const due = this.#due();
    if (due.length > 0) {
      this.#inFlight = true;
      const requests = due.map((handle) => handle.renewRequest());
      await this.#send(due, requests).catch(() => undefined);
      this.#inFlight = false;
    }
    let next = Number.POSITIVE_INFINITY;
    for (const handle of this.#handles) if (handle.renewing === null) next = Math.min(next, handle.renewAt);
    if (next < Number.POSITIVE_INFINITY) this.#arm(next);
  }

  #due(): Renewable[] {
    const now = this.#clock.now();
    const due: Renewable[] = [];
    for (const handle of this.#handles) {
      if (handle.renewing !== null) continue;
      const slack = handle.lease.ttlMs * TOGETHER_PART;
      if (handle.renewAt <= now + slack) due.push(handle);
    }
    if (due.length <= MAX_BATCH) return due;
    // Those with the least time left cannot wait for the next call.
    return due.sort((a, b) => a.deadline - b.deadline).slice(0, MAX_BATCH);
  }

  async #send(handles: readonly Renewable[], requests: readonly RenewRequest[]): Promise<RenewResult[]> {
    // Read again: it may be sent because the machine slept.
    const sent = sentNow(this.#clock, 0);
    let end = () => {};
    const renewing = new Promise<void>((resolve) => {
      end = resolve;
    });
    for (const handle of handles) handle.renewing = renewing;
    try {
      const results = await this.#backend.renew(requests);
      for (const [index, handle] of handles.entries()) {
        const result = results[index];
        if (result === undefined)
          throw new LeaseError("OUTCOME_UNKNOWN", "The backend left a renewal unanswered.");
        handle.onRenewAnswer(result, requests[index] as RenewRequest, sent);
      }
      return results;
    } catch (error) {
      for (const [index, handle] of handles.entries()) {
        handle.onRenewFailure(error, requests[index] as RenewRequest);
      }
      throw error;
    } finally {
      for (const handle of handles) handle.renewing = null;
      end();
    }
  }
}
