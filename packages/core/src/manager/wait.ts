/**
 * Requesting a lease and waiting in the queue for it, over any backend: what `acquire` of the manager and the long poll
 * of the server are made of. It ends granted, refused or with an error, and in every case but the first it leaves
 * nothing behind.
 */

import type { AcquireRequest, AcquireResult, ReleaseRequest } from "../backend/backend.js";
import { type DeadlockStep, LeaseError } from "../errors.js";
import type { Lease, Refusal } from "../model/model.js";
import type { ReleaseOutcome } from "./api.js";
import { isTransient, pause, retryDelayMs, surelyNotApplied, within } from "./backoff.js";
import { marginMs, sentNow } from "./belief.js";
import type { Grant, Sent, WaitContext } from "./context.js";
import { deadlock, findDeadlock } from "./deadlock.js";
import { DEFAULTS } from "./defaults.js";
import { giveBack } from "./give-back.js";
import { endedBefore } from "./losses.js";
import { TurnWatch } from "./turn-watch.js";

/** How long to wait in the queue, and what ends the wait sooner. */
export interface WaitOptions {
  /** How long to wait in the queue; 0 asks once. `Infinity` is allowed. */
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What is requested; whether it waits is decided with each attempt. */
export type Asking = Omit<AcquireRequest, "wait">;

/** How waiting ended, where not by an error. */
export type WaitOutcome =
  | { readonly status: "granted"; readonly grant: Grant }
  | {
      readonly status: "refused";
      readonly refusal: Refusal;
      /** How long it was queued; 0 if it was not. */
      readonly waitedMs: number;
    };

/**
 * Requests a lease, and with `waitMs` waits in the queue until granted, timed out or aborted.
 *
 * Unless it is granted, it has given back what it had or may still get when it settles, for as long as the store
 * confirms that within a second; beyond that it goes on in the background.
 *
 * @throws `LEASE_DEADLOCK` when waiting could never end; `LEASE_LOST` when the place in the queue was revoked;
 * `OUTCOME_UNKNOWN` when it was refused and the store does not confirm the end of an attempt that went unanswered; the
 * backend's own errors (those that may pass only once `waitMs` is over); the signal's reason when it aborts
 */
export function waitForLease(
  context: WaitContext,
  request: Asking,
  options: WaitOptions,
): Promise<WaitOutcome> {
  return new Waiting(context, request, options).wait();
}

/** One request from its first attempt to its end. */
class Waiting {
  readonly #context: WaitContext;
  readonly #signal: AbortSignal | undefined;
  readonly #startedAt: number;
  readonly #waitUntil: number;
  #request: Asking;
  /** What the present id has, as far as we know: a place in the queue, or a grant that was not handed out yet. */
  #lease: Lease | null = null;
  /** An acquire of the present id was sent and never answered: it may still be under way. */
  #unanswered = false;
  /** The attempt under way. */
  #attempt: Promise<AcquireResult> | null = null;
  /** The look for a deadlock through the present id, under way or over; `null` where one is still to begin. */
  #looking: Promise<DeadlockStep[] | null> | null = null;
  /** What the look found. */
  #cycle: DeadlockStep[] | null = null;
  /** The watch for the turn of the present id; `null` where none was needed yet. */
  #turn: TurnWatch | null = null;
  readonly #onAbort = () => this.#turn?.wake();
  #queued = false;
  #lateGrants = 0;

  constructor(context: WaitContext, request: Asking, options: WaitOptions) {
    this.#context = context;
    this.#request = request;
    this.#signal = options.signal;
    this.#startedAt = context.clock.now();
    this.#waitUntil = this.#startedAt + options.waitMs;
  }

  async wait(): Promise<WaitOutcome> {
    this.#signal?.addEventListener("abort", this.#onAbort);
    try {
      return await this.#outcome();
    } finally {
      this.#signal?.removeEventListener("abort", this.#onAbort);
    }
  }

  async #outcome(): Promise<WaitOutcome> {
    try {
      const outcome = await this.#untilAnswered();
      // Aborted in the very moment of the grant: the caller is gone, so the lease goes too.
      this.#signal?.throwIfAborted();
      if (outcome.status === "granted") return outcome;
      if (await this.#leave()) return outcome;
    } catch (error) {
      await this.#leave();
      throw error;
    } finally {
      this.#stopWatching();
    }
    throw new LeaseError(
      "OUTCOME_UNKNOWN",
      `The request was refused, but an earlier attempt of it was never answered and could not be withdrawn: it may still be granted, and then ends by its TTL of ${this.#request.ttlMs} ms. Ask again.`,
    );
  }

  async #untilAnswered(): Promise<WaitOutcome> {
    const { backend, clock, random } = this.#context;
    for (let failures = 0; ; ) {
      this.#signal?.throwIfAborted();
      const sent = sentNow(clock);
      const isLast = sent.sentAt >= this.#waitUntil;
      // The last attempt leaves the queue in the same step in which it is refused; where another one may still be under
      // way, it stays until the id is buried.
      const wait = isLast && !this.#unanswered ? "no" : "hand-off";
      let result: AcquireResult;
      try {
        this.#attempt = backend.acquire({ ...this.#request, wait });
        result = await this.#unlessAborted(this.#attempt);
        this.#answered(result);
        this.#signal?.throwIfAborted();
        if (result.status === "granted") {
          const grant = this.#grantOf(result, sent) ?? (await this.#unlessAborted(this.#renewLate(result)));
          if (grant !== null) return { status: "granted", grant };
        }
        failures = 0;
      } catch (error) {
        this.#signal?.throwIfAborted();
        this.#failed(error);
        failures += 1;
        const pauseMs = retryDelayMs(failures, random);
        if (!isTransient(error) || clock.now() + pauseMs >= this.#waitUntil) throw error;
        await pause(clock, pauseMs, this.#signal);
        continue;
      }

      if (result.status === "ended") {
        this.#startAgain(result);
      } else if (result.status === "refused") {
        if (isLast) {
          const waitedMs = this.#queued ? sent.sentAt - this.#startedAt : 0;
          return { status: "refused", refusal: result, waitedMs };
        }
        await this.#waitInQueue(result, sent.sentAt);
      }
    }
  }

  /** The answer, unless the caller aborts first. */
  #unlessAborted<T>(answer: Promise<T>): Promise<T> {
    const signal = this.#signal;
    if (signal === undefined) return answer;
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason);
      const settled = () => signal.removeEventListener("abort", onAbort);
      signal.addEventListener("abort", onAbort);
      void answer.then(resolve, reject).then(settled);
    });
  }

  #answered(result: AcquireResult): void {
    this.#attempt = null;
    this.#lease = result.status === "ended" ? null : result.lease;
  }

  #failed(error: unknown): void {
    this.#attempt = null;
    if (!surelyNotApplied(error)) this.#unanswered = true;
  }

  /** The grant, unless its answer took so long, or left so little time, that the lease may be over. */
  #grantOf({ lease, repeated }: Pick<Grant, "lease" | "repeated">, sent: Sent): Grant | null {
    const { expiresInMs } = lease;
    const isInTime = this.#context.clock.now() < sent.sentAt + expiresInMs - marginMs(expiresInMs);
    return isInTime ? { lease, repeated, unanswered: this.#unanswered, ...sent } : null;
  }

  /** Renews a grant that came too late, once. After an answer that is no help, the next acquire says what it is now. */
  async #renewLate({ lease, repeated }: Pick<Grant, "lease" | "repeated">): Promise<Grant | null> {
    const { backend, clock } = this.#context;
    this.#lateGrants += 1;
    if (this.#lateGrants > 1) throw tooLate(lease);
    const { id, agentId, token, renewals } = lease;
    const sent = sentNow(clock);
    const [result] = await backend.renew([{ id, agentId, token, renewal: renewals + 1 }]);
    return result?.status === "renewed" ? this.#grantOf({ lease: result.lease, repeated }, sent) : null;
  }

  /** Waits for a sign that it is this request's turn, or for its next heartbeat. */
  async #waitInQueue({ lease }: { readonly lease: Lease | null }, sentAt: number): Promise<void> {
    const { clock, random } = this.#context;
    this.#queued = true;
    const heartbeatAt = sharedMoment(sentAt, this.#heartbeatMs);
    const leftMs = Math.max(0, Math.min(heartbeatAt, this.#waitUntil) - clock.now());
    if (lease !== null && lease.holding.length > 0) this.#look(lease);
    try {
      const turn = this.#watchTurn();
      if (!this.#signal?.aborted && this.#cycle === null) await turn.next(leftMs);
    } catch (error) {
      if (!isTransient(error)) throw error;
      // Without a hint the heartbeat has to do; the pause keeps a broken hint from becoming a busy loop.
      await pause(clock, Math.min(leftMs, retryDelayMs(1, random)), this.#signal);
    } finally {
      // A hint may be lost for good: each heartbeat watches anew.
      this.#stopWatching();
    }
    if (this.#cycle !== null) throw deadlock(this.#cycle);
  }

  get #heartbeatMs(): number {
    return this.#request.waitTtlMs * DEFAULTS.heartbeatPart;
  }

  /** A watch for the turn of the present id, for a heartbeat. */
  #watchTurn(): TurnWatch {
    const { backend, clock } = this.#context;
    const { id } = this.#request;
    const timeoutMs = Math.max(0, Math.min(this.#waitUntil - clock.now(), this.#heartbeatMs));
    this.#turn = new TurnWatch(clock, (signal) => backend.turn({ id, timeoutMs, signal }));
    return this.#turn;
  }

  #stopWatching(): void {
    this.#turn?.stop();
    this.#turn = null;
  }

  /** Looks for a deadlock while the turn is watched, so that a turn that comes first is served at once. */
  #look(lease: Lease): void {
    if (this.#looking !== null) return;
    const { id } = lease;
    this.#looking = findDeadlock(this.#context.backend, lease).catch(() => {
      // The next heartbeat looks again. An error that is no passing one shows in what else is asked of the store.
      this.#looking = null;
      return null;
    });
    void this.#looking.then((cycle) => {
      if (cycle === null || this.#request.id !== id) return;
      this.#cycle = cycle;
      this.#turn?.wake();
    });
  }

  /**
   * The id has ended. One that expired (this process was stopped for longer than its place lived) enters again at the
   * tail; of one that was revoked the caller learns.
   */
  #startAgain(ended: AcquireResult & { status: "ended" }): void {
    const { createId, clock } = this.#context;
    if (ended.end === "revoked" || createId === null) throw endedBefore(this.#request.id, ended);
    this.#request = { ...this.#request, id: createId() };
    this.#looking = null;
    this.#stopWatching();
    // Late copies of the old id find its end.
    this.#unanswered = false;
    if (clock.now() < this.#waitUntil) this.#lateGrants = 0;
  }

  /**
   * Gives back what this request has or may yet get. Goes on in the background where the store takes its time.
   *
   * @returns whether nothing can come of the id any more; never rejects
   */
  async #leave(): Promise<boolean> {
    this.#stopWatching();
    if (this.#attempt === null && this.#lease === null && !this.#unanswered) return true;
    const left = this.#giveBack();
    this.#context.onCleanup(left.then(() => undefined));
    const outcome = await within(this.#context.clock, left, DEFAULTS.leaveMs);
    return outcome === "released" || outcome === "gone";
  }

  async #giveBack(): Promise<ReleaseOutcome> {
    const { clock, createId } = this.#context;
    const { id, agentId, ttlMs, waitTtlMs } = this.#request;
    if (this.#attempt !== null) {
      // Aborted meanwhile. An id of our own is buried at once, so that this attempt takes nothing. One that the caller
      // chose may be asked for again, so it must live on, and the attempt must not arrive after the release.
      if (createId === null) {
        await this.#attempt.then(
          (result) => this.#answered(result),
          (error) => this.#failed(error),
        );
      } else this.#unanswered = true;
    }
    let request: ReleaseRequest;
    if (this.#unanswered) request = { kind: "abandon", id, agentId };
    else if (this.#lease !== null) request = { kind: "release", id, agentId, token: this.#lease.token };
    else return "gone";
    // Past its TTL it has expired.
    return giveBack(this.#context, request, clock.now() + Math.max(waitTtlMs, ttlMs));
  }
}

/**
 * When the next heartbeat is due: up to a twenty-fifth early, so that those of one process come together and a store that
 * joins calls, as most do, takes them in one step.
 */
function sharedMoment(sentAt: number, intervalMs: number): number {
  const grid = intervalMs / 25;
  return Math.floor((sentAt + intervalMs) / grid) * grid;
}

function tooLate({ id, ttlMs }: Lease): LeaseError<"LEASE_LOST"> {
  const message = `The backend's answers take longer than the TTL of ${ttlMs} ms, so no grant arrives in time: use a longer TTL.`;
  return new LeaseError("LEASE_LOST", message, { leaseId: id, how: "deadline", by: null, reason: null });
}
