/**
 * Asking for a lease and standing in line for it, over any backend: what `acquire` of the manager and the long poll
 * of the server are made of. It ends granted, refused or with an error, and in every case but the first it leaves
 * nothing behind.
 */

import type { AcquireRequest, AcquireResult, ReleaseRequest } from "../backend/backend.js";
import { isLeaseError, LeaseError } from "../errors.js";
import type { Lease, Refusal } from "../model/model.js";
import { isTransient, pause, retryDelayMs, surelyNotApplied } from "./backoff.js";
import type { Grant, WaitContext } from "./context.js";
import { deadlock, findDeadlock } from "./deadlock.js";
import { DEFAULTS } from "./defaults.js";
import { giveBack } from "./give-back.js";
import { endedBefore } from "./losses.js";

/** How long to stand in line, and what ends it sooner. */
export interface WaitOptions {
  /** How long to stand in line; 0 asks once. `Infinity` is allowed. */
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What is asked for; whether it waits is decided with each attempt. */
export type Asking = Omit<AcquireRequest, "wait">;

/** How waiting ended, where not by an error. */
export type WaitOutcome =
  | { readonly status: "granted"; readonly grant: Grant }
  | {
      readonly status: "refused";
      readonly refusal: Refusal /** 0: it asked once. */;
      readonly waitedMs: number;
    };

/**
 * Asks, and with `waitMs` stands in line until granted, timed out or aborted.
 *
 * @throws `LEASE_DEADLOCK` when waiting could never end; `LEASE_LOST` when somebody revoked the place in line; the
 * backend's own errors (those that may pass only once `waitMs` is over); the signal's reason when it aborts
 */
export function waitForLease(
  context: WaitContext,
  request: Asking,
  options: WaitOptions,
): Promise<WaitOutcome> {
  const { signal } = options;
  if (signal?.aborted) return Promise.reject(signal.reason);
  const place = new PlaceInLine(context, request, options);
  if (signal === undefined) return place.wait();

  return new Promise((resolve, reject) => {
    // The caller is answered as soon as it aborts; the place tidies up behind it.
    const onAbort = () => {
      const tidied = waited.then(
        () => undefined,
        () => undefined,
      );
      context.onCleanup(tidied);
      reject(signal.reason);
    };
    const waited = place.wait(() => signal.removeEventListener("abort", onAbort));
    waited.then(resolve, reject);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort);
  });
}

/** One request from its first ask to its end. */
class PlaceInLine {
  readonly #context: WaitContext;
  readonly #signal: AbortSignal | undefined;
  readonly #startedAt: number;
  readonly #waitUntil: number;
  #request: Asking;
  /** What the present id has, as far as we know: a place in line, or a grant that nobody took yet. */
  #lease: Lease | null = null;
  /** An acquire of the present id was sent and never answered: it may still be under way. */
  #unanswered = false;
  #lookedForDeadlock = false;
  #stoodInLine = false;

  constructor(context: WaitContext, request: Asking, options: WaitOptions) {
    this.#context = context;
    this.#request = request;
    this.#signal = options.signal;
    this.#startedAt = context.clock.now();
    this.#waitUntil = this.#startedAt + options.waitMs;
  }

  /** @param onAnswered - called once there is an answer that an abort comes too late for */
  async wait(onAnswered?: () => void): Promise<WaitOutcome> {
    try {
      const outcome = await this.#untilAnswered();
      // Aborted in the very moment of the grant: the caller is gone, so the lease goes too.
      this.#signal?.throwIfAborted();
      onAnswered?.();
      if (outcome.status === "refused") void this.#leave();
      return outcome;
    } catch (error) {
      const left = this.#leave();
      // Who is told to ask anew must not find its own old request before it.
      if (isLeaseError(error, "LEASE_DEADLOCK")) await left;
      onAnswered?.();
      throw error;
    }
  }

  async #untilAnswered(): Promise<WaitOutcome> {
    const { clock } = this.#context;
    for (let failures = 0, lateGrants = 0; ; ) {
      this.#signal?.throwIfAborted();
      const sentAt = clock.now();
      const sentWall = clock.wallNow();
      // The last ask leaves the line in the same step in which it is refused.
      const wait = sentAt < this.#waitUntil;
      let result: AcquireResult;
      try {
        result = await this.#context.backend.acquire({ ...this.#request, wait: wait ? "hand-off" : "no" });
        this.#lease = result.status === "ended" ? null : result.lease;
        failures = 0;
      } catch (error) {
        if (!surelyNotApplied(error)) this.#unanswered = true;
        failures += 1;
        const pauseMs = retryDelayMs(failures, this.#context.random);
        if (!isTransient(error) || clock.now() + pauseMs >= this.#waitUntil) throw error;
        await pause(clock, pauseMs, this.#signal);
        continue;
      }

      if (result.status === "ended") {
        this.#startAnew(result);
      } else if (result.status === "granted") {
        const { lease } = result;
        if (clock.now() < sentAt + lease.expiresInMs - this.#context.marginOf(lease.expiresInMs)) {
          const { repeated } = result;
          return {
            status: "granted",
            grant: { lease, repeated, sentAt, sentWall, unanswered: this.#unanswered },
          };
        }
        // The answer took so long that the lease may be over. Asking again says what it is now.
        lateGrants += 1;
        if (lateGrants > 1 && clock.now() >= this.#waitUntil) throw tooLate(lease);
      } else if (wait) {
        await this.#standInLine(sentAt);
      } else {
        const waitedMs = this.#stoodInLine ? sentAt - this.#startedAt : 0;
        return { status: "refused", refusal: result, waitedMs };
      }
    }
  }

  /** Waits for a sign that it is this request's turn, or for its next heartbeat. */
  async #standInLine(sentAt: number): Promise<void> {
    const { backend, clock, random } = this.#context;
    this.#stoodInLine = true;
    const heartbeatAt = sentAt + this.#request.waitTtlMs * DEFAULTS.heartbeatPart;
    // Asked anew each time: a look for deadlocks in a slow store takes from it.
    const left = () => Math.max(0, Math.min(heartbeatAt, this.#waitUntil) - clock.now());
    try {
      if (!this.#lookedForDeadlock) await this.#lookForDeadlock();
      await backend.turn({ id: this.#request.id, timeoutMs: left(), signal: this.#signal });
    } catch (error) {
      if (!isTransient(error)) throw error;
      // Without a hint the heartbeat has to do; the pause keeps a broken hint from becoming a busy loop.
      await pause(clock, Math.min(left(), retryDelayMs(1, random)), this.#signal);
    }
  }

  async #lookForDeadlock(): Promise<void> {
    if (this.#lease === null) return;
    const cycle = await findDeadlock(this.#context.backend, this.#lease);
    if (cycle !== null) throw deadlock(cycle);
    this.#lookedForDeadlock = true;
  }

  /**
   * The id has ended. One that ran out (this process was stopped for longer than its place lived) enters anew at the
   * tail; one that somebody revoked is told so.
   */
  #startAnew(ended: AcquireResult & { status: "ended" }): void {
    const { createId } = this.#context;
    if (ended.end === "revoked" || createId === null) throw endedBefore(this.#request.id, ended);
    this.#request = { ...this.#request, id: createId() };
    this.#lookedForDeadlock = false;
    // Late copies of the old id find its end.
    this.#unanswered = false;
  }

  /** Gives back whatever this request has or may yet get; resolves when that is done, never rejects. */
  #leave(): Promise<void> {
    const { id, agentId, ttlMs, waitTtlMs } = this.#request;
    let request: ReleaseRequest;
    if (this.#unanswered) request = { kind: "abandon", id, agentId };
    else if (this.#lease !== null) request = { kind: "release", id, agentId, token: this.#lease.token };
    else return Promise.resolve();
    // Past its TTL it has ended by itself.
    const until = this.#context.clock.now() + Math.max(waitTtlMs, ttlMs);
    const left = giveBack(this.#context, request, until).then(() => undefined);
    this.#context.onCleanup(left);
    return left;
  }
}

function tooLate({ id, ttlMs }: Lease): LeaseError<"LEASE_LOST"> {
  const message = `The backend's answers take longer than the TTL of ${ttlMs} ms, so no grant arrives in time: use a longer TTL.`;
  return new LeaseError("LEASE_LOST", message, { leaseId: id, how: "deadline", by: null, reason: null });
}
