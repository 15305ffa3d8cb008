/**
 * A held lease: what its holder may still believe, for how long, and how it ends.
 *
 * `held → suspect → lost | ended`. What is believed is computed from the clock when somebody asks, never read from a
 * flag that a timer set: after a SIGSTOP or a blocked event loop the first answer is already right.
 */

import type { ReleaseRequest, RenewRequest, RenewResult } from "../backend/backend.js";
import { checkTtl } from "../backend/check.js";
import type { CancelTimer } from "../clock.js";
import { LeaseError, type LossCause, type LossError } from "../errors.js";
import type { Claim, Lease, Revoking } from "../model/model.js";
import { retryDelayMs, surelyNotApplied } from "./backoff.js";
import { DEFAULTS } from "./defaults.js";
import type { HandleState, LeaseHandle, ReleaseOutcome } from "./handle.js";
import type { AcquireOptions } from "./lease-manager.js";
import { limitReached, lost } from "./losses.js";
import { Listeners, type ManagerEvent } from "./observe.js";
import type { Renewer } from "./renewer.js";
import type { Resources } from "./request.js";
import { type Grant, giveBack, type WaitContext } from "./wait.js";

/** What a handle needs of its manager. */
export interface HandleContext extends WaitContext {
  readonly createId: () => string;
  readonly renewer: Renewer;
  /** `acquire` of the manager, for `lease.acquire`. */
  readonly acquire: (resources: Resources, options: AcquireOptions) => Promise<LeaseHandle>;
  /** Hears what happens to the lease; `ended` once, when it is lost or released. */
  readonly tell: (event: ManagerEvent) => void;
}

export interface HoldOptions {
  readonly autoRenew: boolean;
  /** The longest time to hold, however often it is renewed. */
  readonly maxHoldMs: number;
}

/** When a call was sent, on both clocks of the holder. */
export interface Sent {
  readonly sentAt: number;
  readonly sentWall: number;
}

export class Handle implements LeaseHandle {
  /** When the renewer should next renew it, on the monotonic clock. */
  renewAt = Number.POSITIVE_INFINITY;

  readonly #context: HandleContext;
  readonly #options: HoldOptions;
  readonly #controller = new AbortController();
  /** Ends the hold whatever the backend says. */
  readonly #capAt: number;
  readonly #heldSince: number;
  readonly #revokeListeners = new Listeners<Revoking>();
  /** An acquire of this id may still be under way, so the end must bury the id. */
  readonly #unanswered: boolean;
  #lease: Lease;
  /** By then the backend has surely ended it by itself: where `#deadline` errs early, this errs late. */
  #endsBy: number;
  /** Believed until, on the monotonic clock and on the wall clock. */
  #deadline = 0;
  #wallDeadline = 0;
  #cancelTimer: CancelTimer = () => {};
  #renewals: number;
  #limitReached = false;
  #failures = 0;
  #lastFailure: unknown;
  #renewing: Promise<void> | null = null;
  #loss: LossError | null = null;
  #ending: Promise<ReleaseOutcome> | null = null;

  constructor(grant: Grant, options: HoldOptions, context: HandleContext) {
    this.#context = context;
    this.#options = options;
    this.#lease = grant.lease;
    this.#renewals = grant.lease.renewals;
    this.#unanswered = grant.unanswered;
    this.#capAt = grant.sentAt + options.maxHoldMs;
    this.#heldSince = context.clock.now();
    this.#endsBy = this.#heldSince + grant.lease.expiresInMs;
    this.#believe(grant.lease, grant);
    if (options.autoRenew) context.renewer.add(this);
  }

  get id(): string {
    return this.#lease.id;
  }

  get agentId(): string {
    return this.#lease.agentId;
  }

  get token(): number {
    return this.#lease.token;
  }

  get claims(): readonly Claim[] {
    return this.#lease.claims;
  }

  get lease(): Lease {
    return this.#lease;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get loss(): LossError | null {
    return this.#loss;
  }

  get state(): HandleState {
    if (this.#loss !== null) return "lost";
    if (this.#ending !== null) return "ended";
    if (this.#context.clock.now() >= this.#deadline) {
      this.#loseByTime();
      return "lost";
    }
    if (this.#context.clock.wallNow() < this.#wallDeadline) return "held";
    // Once: a renewal that failed is tried again on its own schedule, however often somebody asks, and one that was not
    // agreed on is refused each time.
    const mayRenew = this.#options.autoRenew && !this.#limitReached;
    if (mayRenew && this.#failures === 0) this.#context.renewer.hurry(this);
    return "suspect";
  }

  isHeld(): boolean {
    return this.state === "held";
  }

  assertHeld(): void {
    const { state } = this;
    if (state === "suspect") throw this.#lossError("suspect");
    if (state !== "held") this.#throwIfOver();
  }

  remainingMs(): number {
    return this.isHeld() ? this.#deadline - this.#context.clock.now() : 0;
  }

  async renew(options: { readonly ttlMs?: number } = {}): Promise<void> {
    if (options.ttlMs !== undefined) checkTtl(options.ttlMs, "ttlMs", this.#context.backend.limits);
    while (this.#renewing !== null) await this.#renewing;
    this.#throwIfOver();
    let result = await this.#context.renewer.renewNow(this, options.ttlMs);
    this.#throwIfOver();
    if (this.#wasRepeat(result, options.ttlMs)) {
      result = await this.#context.renewer.renewNow(this, options.ttlMs);
      this.#throwIfOver();
    }
    if (result.status === "renewal-limit") throw this.#limitError();
  }

  /**
   * Whether a renewal gave less than it asked for: it repeated one that was counted and whose answer was lost, and a
   * repeat extends nothing.
   */
  #wasRepeat(result: RenewResult, ttlMs: number = this.#lease.ttlMs): boolean {
    const { clockGranularityMs, remainingStepMs } = this.#context.backend.limits;
    if (result.status !== "renewed") return false;
    return result.lease.expiresInMs + clockGranularityMs + remainingStepMs < ttlMs;
  }

  acquire(resources: Resources, options: AcquireOptions = {}): Promise<LeaseHandle> {
    return this.#context.acquire(resources, { ...options, holding: [this, ...(options.holding ?? [])] });
  }

  onRevokeRequested(listener: (revoking: Revoking) => void): () => void {
    let asked = false;
    const once = (revoking: Revoking) => {
      if (asked) return;
      asked = true;
      return listener(revoking);
    };
    const remove = this.#revokeListeners.add(once);
    if (this.#lease.revoking !== null) this.#revokeListeners.tell(this.#lease.revoking);
    return remove;
  }

  release(): Promise<ReleaseOutcome> {
    // Past its deadline it is lost, whether or not a timer said so yet; what is lost is given back already.
    if (this.state === "lost") return Promise.resolve("gone");
    if (this.#ending === null) {
      let end: (outcome: Promise<ReleaseOutcome>) => void = () => {};
      // Set before anybody is told of the end, so that who is told and releases does not begin a second time.
      this.#ending = new Promise((resolve) => {
        end = resolve;
      });
      end(this.#release());
    }
    return this.#ending;
  }

  /** Releases because the manager closes: whoever still works under the lease is told. */
  releaseAtClose(): Promise<ReleaseOutcome> {
    const released = this.release();
    const message = `The lease manager was closed, and the lease ${this.id} released: stop the work it protected.`;
    this.#controller.abort(new LeaseError("CLOSED", message));
    return released;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  // What the renewer calls.

  /** A renewal of this handle is under way. */
  get renewing(): boolean {
    return this.#renewing !== null;
  }

  /** The request of the next renewal. A repeat after a lost reply carries the same count and is counted once. */
  renewRequest(ttlMs?: number): RenewRequest {
    return { id: this.id, agentId: this.agentId, token: this.token, renewal: this.#renewals + 1, ttlMs };
  }

  /** Notes that a renewal is under way until the returned function is called. */
  beginRenewal(): () => void {
    let end = () => {};
    const renewing = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#renewing = renewing;
    return () => {
      if (this.#renewing === renewing) this.#renewing = null;
      end();
    };
  }

  /** Takes in what the backend answered to a renewal. */
  onRenewAnswer(result: RenewResult, sent: Sent): void {
    if (result.status === "renewed") this.#mayLiveFor(result.lease.expiresInMs);
    if (this.#loss !== null || this.#ending !== null) return;
    this.#failures = 0;
    switch (result.status) {
      case "renewed":
        this.#onRenewed(result.lease, sent);
        return;
      case "renewal-limit":
        this.#limitReached = true;
        this.renewAt = Number.POSITIVE_INFINITY;
        return;
      case "revoked":
        this.#lose("revoked", result.by, result.reason);
        return;
      case "expired":
        this.#lose("expired");
        return;
      default:
        this.#lose("not-found");
    }
  }

  /** Takes in that a renewal failed: it is tried again until the deadline. */
  onRenewFailure(error: unknown): void {
    if (!surelyNotApplied(error)) this.#mayLiveFor(this.#lease.ttlMs);
    if (this.#loss !== null || this.#ending !== null) return;
    this.#context.tell({ type: "renewal-failed", lease: this, error });
    this.#failures += 1;
    this.#lastFailure = error;
    this.renewAt = this.#context.clock.now() + retryDelayMs(this.#failures, this.#context.random);
  }

  /** Somebody else saw the end of this lease, in the feed for instance. */
  onEndSeen(how: "expired" | "revoked", by: string | null, reason: string | null): void {
    if (this.#loss === null && this.#ending === null) this.#lose(how, by, reason);
  }

  /** The feed told that somebody asked for the lease back, sooner than a renewal would. */
  onRevokingSeen(revoking: Revoking): void {
    if (this.#loss === null && this.#ending === null) this.#describe({ ...this.#lease, revoking });
  }

  #onRenewed(lease: Lease, sent: Sent): void {
    const lateMs = Math.max(0, sent.sentAt - this.renewAt);
    this.#renewals = Math.max(this.#renewals + 1, lease.renewals);
    this.#describe(lease);
    this.#believe(lease, sent);
    this.#context.tell({ type: "renewed", lease: this, lateMs });
  }

  #describe(lease: Lease): void {
    const revokeBegins = this.#lease.revoking === null && lease.revoking !== null;
    this.#lease = lease;
    if (!revokeBegins || lease.revoking === null) return;
    this.#revokeListeners.tell(lease.revoking);
    this.#context.tell({ type: "revoke-requested", lease: this, revoking: lease.revoking });
  }

  /** Moves the deadline to what an answer allows: counted from the sending of the attempt that was answered. */
  #believe(lease: Lease, { sentAt, sentWall }: Sent): void {
    const { clock, random, marginOf } = this.#context;
    const forMs = lease.expiresInMs - marginOf(lease.expiresInMs);
    const wasSuspect = clock.wallNow() >= this.#wallDeadline;
    // An answer that was long under way allows less than one before it, and both are true: the later one counts, with
    // the wall clock's side of the same answer. But what was believed before the machine slept is worth nothing.
    if (wasSuspect || sentAt + forMs > this.#deadline) {
      this.#deadline = Math.min(sentAt + forMs, this.#capAt);
      this.#wallDeadline = sentWall + (this.#deadline - sentAt);
    }

    const { maxRenewals } = lease;
    this.#limitReached = maxRenewals !== null && this.#renewals >= maxRenewals;
    const early = 1 - random() * DEFAULTS.renewJitter;
    this.renewAt =
      this.#limitReached || this.#deadline >= this.#capAt
        ? Number.POSITIVE_INFINITY
        : sentAt + lease.expiresInMs * DEFAULTS.renewPart * early;
    this.#armDeadline();
  }

  #mayLiveFor(ms: number): void {
    this.#endsBy = Math.max(this.#endsBy, this.#context.clock.now() + ms);
  }

  #armDeadline(): void {
    this.#cancelTimer();
    const left = this.#deadline - this.#context.clock.now();
    const onTime = () => {
      if (this.#context.clock.now() < this.#deadline) this.#armDeadline();
      else this.#loseByTime();
    };
    this.#cancelTimer = this.#context.clock.schedule(left, onTime, { background: true });
  }

  #loseByTime(): void {
    if (this.#loss !== null || this.#ending !== null) return;
    if (this.#deadline >= this.#capAt) this.#lose("max-hold");
    else if (this.#limitReached) this.#finishLoss(this.#limitError());
    else this.#lose("deadline");
  }

  #lose(how: LossCause, by: string | null = null, reason: string | null = null): void {
    this.#finishLoss(this.#lossError(how, by, reason));
  }

  #lossError(how: LossCause, by: string | null = null, reason: string | null = null): LossError {
    return lost({ leaseId: this.id, how, by, reason, cause: this.#lastFailure });
  }

  #finishLoss(loss: LossError): void {
    this.#loss = loss;
    this.#stop(loss);
    // Whoever works under it first, so that what listeners stop at once is stopped before others can be granted it.
    this.#controller.abort(loss);
    // It may still stand in others' way: best effort, for as long as that can be.
    const until = this.#context.clock.now() + this.#lease.ttlMs;
    this.#context.onCleanup(giveBack(this.#context, this.#releaseRequest(), until).then(() => undefined));
  }

  async #release(): Promise<ReleaseOutcome> {
    const { clock } = this.#context;
    this.#stop(null);
    const released = this.#releaseAfterRenewal();
    this.#context.onCleanup(released.then(() => undefined));
    let cancelTimer: CancelTimer = () => {};
    const deadline = new Promise<null>((resolve) => {
      cancelTimer = clock.schedule(this.#deadline - clock.now(), () => resolve(null));
    });
    const end = await Promise.race([released, deadline]);
    cancelTimer();
    if (end === null) return "unconfirmed";
    return end === "gone" ? "gone" : "released";
  }

  /** A renewal under way is awaited first, so that it cannot arrive after the release and find nothing. */
  async #releaseAfterRenewal() {
    await this.#renewing;
    // Also past the deadline, when the caller has its answer: until then it may stand in others' way.
    return giveBack(this.#context, this.#releaseRequest(), this.#endsBy);
  }

  #releaseRequest(): ReleaseRequest {
    const { id, agentId, token } = this;
    return this.#unanswered ? { kind: "abandon", id, agentId } : { kind: "release", id, agentId, token };
  }

  #stop(loss: LossError | null): void {
    this.#cancelTimer();
    this.#context.renewer.remove(this);
    this.#context.tell({
      type: "ended",
      lease: this,
      heldMs: this.#context.clock.now() - this.#heldSince,
      loss,
    });
  }

  #throwIfOver(): void {
    if (this.state === "lost") throw this.#loss;
    if (this.state === "ended") {
      throw new LeaseError("CLOSED", `The lease ${this.id} was released: acquire anew.`);
    }
  }

  #limitError(): LeaseError<"LEASE_RENEWAL_LIMIT"> {
    return limitReached(this.id, this.#lease.maxRenewals);
  }
}
