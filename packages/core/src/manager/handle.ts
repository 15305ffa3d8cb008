/**
 * A held lease: how it is kept, and how it ends. `held → suspect → lost | ended`.
 */

import type { LeaseBackend, ReleaseRequest, RenewRequest, RenewResult } from "../backend/backend.js";
import { checkTtl } from "../backend/check.js";
import type { CancelTimer } from "../clock.js";
import { invalidArgument, LeaseError, type LossCause, type LossError } from "../errors.js";
import type { Claim, Lease, Revoking } from "../model/model.js";
import type {
  AcquireOptions,
  HandleState,
  LeaseHandle,
  ManagerEvent,
  ReleaseOutcome,
  Resources,
} from "./api.js";
import { retryDelayMs, surelyNotApplied } from "./backoff.js";
import { Belief } from "./belief.js";
import type { Grant, Sent, WaitContext } from "./context.js";
import { DEFAULTS } from "./defaults.js";
import { giveBack } from "./give-back.js";
import { InHand, type Kept } from "./in-hand.js";
import { Listeners } from "./listeners.js";
import { limitReached, lost } from "./losses.js";
import { checkOptions } from "./options.js";
import { type CountedAnswer, RenewalCount } from "./renewal-count.js";
import type { Renewable, Renewer } from "./renewer.js";

/** What a handle needs of its manager. */
export interface HandleContext extends WaitContext {
  readonly backend: LeaseBackend;
  readonly createId: () => string;
  readonly renewer: Renewer;
  /** `acquire` of the manager, for `lease.acquire`. */
  readonly acquire: (resources: Resources, options: AcquireOptions, parent: Parent) => Promise<LeaseHandle>;
  readonly notify: (event: ManagerEvent) => void;
  /** Called once, when the lease is lost or released. */
  readonly onEnded: (handle: Handle) => void;
}

/** The lease that another one is acquired under. */
export interface Parent {
  /** Aborts when it is lost or released. */
  readonly over: AbortSignal;
  /** It, and what it was acquired under: kept while the other one is waited for. */
  readonly holding: readonly string[];
}

export interface HoldOptions {
  readonly autoRenew: boolean;
  /** The longest time to hold, however often it is renewed. */
  readonly maxHoldMs: number;
}

export class Handle implements Kept, Renewable {
  readonly id: string;
  readonly agentId: string;
  readonly token: number;
  readonly claims: readonly Claim[];
  lease: Lease;
  loss: LossError | null = null;
  renewAt = Number.POSITIVE_INFINITY;
  renewing: Promise<void> | null = null;

  readonly #context: HandleContext;
  readonly #options: HoldOptions;
  readonly #controller = new AbortController();
  readonly #belief: Belief;
  readonly #heldSince: number;
  readonly #revokeListeners = new Listeners<Revoking>();
  readonly #inHand: InHand;
  readonly #count: RenewalCount;
  /** An acquire of this id may still be under way, so the end must bury the id. */
  readonly #unanswered: boolean;
  #cancelTimer: CancelTimer = () => {};
  #limitReached = false;
  /** What the last renewal that was sent asked for; 0: the lease's own TTL. */
  #renewalTtlMs = 0;
  #failures = 0;
  #lastFailure: unknown;
  #ending: Promise<ReleaseOutcome> | null = null;
  /** Ends the waits of what is acquired under it. */
  #over: AbortController | null = null;

  constructor(grant: Grant, options: HoldOptions, context: HandleContext) {
    this.#context = context;
    this.#options = options;
    const { id, agentId, token, claims } = grant.lease;
    this.id = id;
    this.agentId = agentId;
    this.token = token;
    this.claims = claims;
    this.lease = grant.lease;
    this.#inHand = new InHand(this, context);
    this.#count = new RenewalCount(grant.lease.renewals);
    this.#unanswered = grant.unanswered;
    this.#heldSince = context.clock.now();
    this.#belief = new Belief(context.clock, grant, options.maxHoldMs);
    this.#planRenewal(grant.lease, grant);
    if (options.autoRenew) context.renewer.add(this);
  }

  /** What its holder has in hand of it. */
  get inHand(): LeaseHandle {
    return this.#inHand.handle;
  }

  /** Neither lost nor released, as far as was noticed. */
  get isKept(): boolean {
    return this.loss === null && this.#ending === null;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get state(): HandleState {
    this.#loseIfOver();
    if (this.loss !== null) return "lost";
    if (this.#ending !== null) return "ended";
    if (this.#belief.certainty === "sure") return "held";
    // Once: a renewal that failed is tried again on its own schedule, however often the state is read, and one beyond
    // `maxRenewals` is refused each time.
    const mayRenew = this.#options.autoRenew && !this.#limitReached;
    if (mayRenew && this.#failures === 0) this.#context.renewer.hurry(this);
    return "suspect";
  }

  isHeld(): boolean {
    return this.state === "held";
  }

  assertHeld(): void {
    const { state } = this;
    if (state === "suspect") throw this.#lost("suspect");
    if (state !== "held") this.#throwIfOver();
  }

  remainingMs(): number {
    return this.isHeld() ? Math.max(0, this.deadline - this.#context.clock.now()) : 0;
  }

  async renew(options: { readonly ttlMs?: number } = {}): Promise<void> {
    if (typeof options === "number")
      throw invalidArgument("options", `must be an object: renew({ ttlMs: ${options} })`);
    checkOptions(options, ["ttlMs"]);
    if (options.ttlMs !== undefined) checkTtl(options.ttlMs, "ttlMs", this.#context.backend.limits);
    while (this.renewing !== null) await this.renewing;
    this.#throwIfOver();
    if (await this.#renewOnce(options.ttlMs)) return;
    // A repeat of one whose answer was lost, or another count than ours: nothing was extended yet.
    if (!(await this.#renewOnce(options.ttlMs)) && this.#count.strays > 0) throw this.#outOfOrder();
  }

  /** @returns whether it extended the lease */
  async #renewOnce(ttlMs: number | undefined): Promise<boolean> {
    const result = await this.#context.renewer.renewNow(this, ttlMs);
    this.#throwIfOver();
    if (result.status === "renewal-limit") throw this.#limitError();
    return result.status === "renewed" && !result.repeated;
  }

  async acquire(resources: Resources, options: AcquireOptions = {}): Promise<LeaseHandle> {
    this.#throwIfOver();
    this.#over ??= new AbortController();
    const parent = { over: this.#over.signal, holding: [this.id, ...this.lease.holding] };
    const lease = await this.#context.acquire(resources, options, parent);
    // Over by now, and no timer has found it out: the caller would believe that it holds both.
    try {
      this.#throwIfOver();
      return lease;
    } catch (error) {
      await lease.release();
      throw error;
    }
  }

  onRevokeRequested(listener: (revoking: Revoking) => void): () => void {
    let asked = false;
    const once = (revoking: Revoking) => {
      if (asked) return;
      asked = true;
      return listener(revoking);
    };
    const remove = this.#revokeListeners.add(once);
    if (this.lease.revoking !== null) this.#revokeListeners.notify(this.lease.revoking);
    return remove;
  }

  release(): Promise<ReleaseOutcome> {
    // Past its deadline it is lost, whether or not a timer fired yet; what is lost is given back already.
    this.#loseIfOver();
    if (this.loss !== null) return Promise.resolve("gone");
    if (this.#ending !== null) return this.#ending;
    let answer: (outcome: ReleaseOutcome) => void = () => {};
    // Set before listeners run, so that a listener that calls release() does not start a second release.
    this.#ending = new Promise((resolve) => {
      answer = resolve;
    });
    this.#stop(null);
    const { clock } = this.#context;
    const cancelTimer = clock.schedule(this.deadline - clock.now(), () => answer("unconfirmed"));
    this.#context.onCleanup(
      this.#releaseAfterRenewal().then((outcome) => {
        cancelTimer();
        answer(outcome);
      }),
    );
    return this.#ending;
  }

  /** Releases because the manager closes: the signal of the work that goes on under the lease aborts. */
  releaseAtClose(): Promise<ReleaseOutcome> {
    const released = this.release();
    const message = `The lease manager was closed, and the lease ${this.id} released: stop the work it protected.`;
    this.#controller.abort(new LeaseError("CLOSED", message));
    return released;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  // What the renewer calls, see Renewable.

  get deadline(): number {
    return this.#belief.until;
  }

  renewRequest(ttlMs?: number): RenewRequest {
    this.#inHand.letGo();
    this.#renewalTtlMs = ttlMs ?? 0;
    return { id: this.id, agentId: this.agentId, token: this.token, renewal: this.#count.next, ttlMs };
  }

  onRenewAnswer(result: RenewResult, request: RenewRequest, sent: Sent): void {
    if ("lease" in result) this.#belief.mayLiveFor(result.lease.expiresInMs);
    if (!this.isKept) return;
    this.#failures = 0;
    switch (result.status) {
      case "renewed":
      case "out-of-order":
        this.#onRenewed(result, request, sent);
        return;
      case "renewal-limit":
        this.#limitReached = true;
        this.renewAt = Number.POSITIVE_INFINITY;
        return;
      case "revoked":
        this.#lose(this.#lost("revoked", result.by, result.reason));
        return;
      default:
        this.#lose(this.#lost(result.status === "expired" ? "expired" : "not-found"));
    }
  }

  onRenewFailure(error: unknown, request: RenewRequest): void {
    if (!surelyNotApplied(error)) {
      this.#belief.mayLiveFor(Math.max(request.ttlMs ?? 0, this.lease.ttlMs));
      this.#count.onUnanswered(request);
    }
    if (!this.isKept) return;
    this.#context.notify({ type: "renewal-failed", lease: this.inHand, error });
    this.#failures += 1;
    this.#lastFailure = error;
    this.renewAt = this.#context.clock.now() + retryDelayMs(this.#failures, this.#context.random);
  }

  /** The feed showed the end of this lease. */
  onEndSeen(how: "expired" | "revoked", by: string | null, reason: string | null): void {
    if (this.isKept) this.#lose(this.#lost(how, by, reason));
  }

  /** It is not among the live leases any more: a renewal says what became of it. */
  onUnlisted(): void {
    this.renew().catch(() => undefined);
  }

  /** The feed showed a soft revoke, sooner than a renewal would. */
  onRevokingSeen(revoking: Revoking): void {
    if (!this.isKept) return;
    const before = this.lease;
    this.lease = { ...before, revoking };
    this.#notifyIfRevoking(before);
  }

  #onRenewed(result: CountedAnswer, request: RenewRequest, sent: Sent): void {
    const lateMs = Math.max(0, sent.sentAt - this.renewAt);
    const before = this.lease;
    this.lease = result.lease;
    this.#count.onAnswer(result, request);
    this.#belief.confirm(result.lease.expiresInMs, sent);
    this.#planRenewal(result.lease, sent);
    const { strays } = this.#count;
    // Once more at once, with the right count; from the second stray answer on by schedule.
    if (strays === 1) this.renewAt = Math.min(this.renewAt, this.#context.clock.now());
    // Notified last: a listener may ask whether it is held, or release it.
    if (strays === 0) this.#context.notify({ type: "renewed", lease: this.inHand, lateMs });
    if (strays > 1)
      this.#context.notify({ type: "renewal-failed", lease: this.inHand, error: this.#outOfOrder() });
    this.#notifyIfRevoking(before);
  }

  #notifyIfRevoking(before: Lease): void {
    const { revoking } = this.lease;
    if (before.revoking !== null || revoking === null || !this.isKept) return;
    this.#context.notify({ type: "revoke-requested", lease: this.inHand, revoking });
    this.#revokeListeners.notify(revoking);
  }

  /** Counted from the sending of the attempt that was answered, as the deadline is. */
  #planRenewal({ maxRenewals, expiresInMs }: Lease, { sentAt }: Sent): void {
    this.#limitReached = maxRenewals !== null && this.#count.next > maxRenewals;
    const early = 1 - this.#context.random() * DEFAULTS.renewJitter;
    this.renewAt =
      this.#limitReached || this.#belief.isCapped
        ? Number.POSITIVE_INFINITY
        : sentAt + expiresInMs * DEFAULTS.renewPart * early;
    this.#armDeadline();
  }

  #armDeadline(): void {
    this.#cancelTimer();
    const { clock } = this.#context;
    const onTime = () => {
      this.#loseIfOver();
      if (this.loss === null) this.#armDeadline();
    };
    this.#cancelTimer = clock.schedule(this.deadline - clock.now(), onTime, { background: true });
  }

  #loseIfOver(): void {
    if (!this.isKept || !this.#belief.isOver) return;
    if (this.#belief.isCapped) this.#lose(this.#lost("max-hold"));
    else this.#lose(this.#limitReached ? this.#limitError() : this.#lost("deadline"));
  }

  #lost(how: LossCause, by: string | null = null, reason: string | null = null): LossError {
    return lost({ leaseId: this.id, how, by, reason, cause: this.#lastFailure });
  }

  #lose(loss: LossError): void {
    this.loss = loss;
    this.#stop(loss);
    // The protected work first, so that what stops at once is stopped before others can be granted the lease.
    this.#controller.abort(loss);
    // It may still block others, also by a renewal under way: best effort, for as long as that can be.
    this.#belief.mayLiveFor(Math.max(this.#renewalTtlMs, this.lease.ttlMs));
    this.#context.onCleanup(this.#giveBack().then(() => undefined));
  }

  async #releaseAfterRenewal(): Promise<ReleaseOutcome> {
    // Awaited, so that it cannot arrive after the release and find nothing.
    if (this.renewing !== null) await this.renewing;
    return this.#giveBack();
  }

  /** Goes on past the deadline, when the holder has its answer: until `endsBy` it may block others. */
  #giveBack(): Promise<ReleaseOutcome> {
    const { id, agentId, token } = this;
    const request: ReleaseRequest = this.#unanswered
      ? { kind: "abandon", id, agentId }
      : { kind: "release", id, agentId, token };
    return giveBack(this.#context, request, this.#belief.endsBy);
  }

  #stop(loss: LossError | null): void {
    this.#cancelTimer();
    this.#over?.abort(loss ?? this.#released());
    this.#context.renewer.remove(this);
    this.#context.onEnded(this);
    this.#context.notify({
      type: "ended",
      lease: this.inHand,
      heldMs: this.#context.clock.now() - this.#heldSince,
      loss,
    });
  }

  #throwIfOver(): void {
    this.#loseIfOver();
    if (this.loss !== null) throw this.loss;
    if (this.#ending !== null) throw this.#released();
  }

  #outOfOrder(): LeaseError<"RENEWAL_OUT_OF_ORDER"> {
    const message = `Another process renews the lease ${this.id}: the store counts ${this.lease.renewals} renewals, which are not those sent here. It is held until its deadline; let one process renew it.`;
    return new LeaseError("RENEWAL_OUT_OF_ORDER", message, {
      leaseId: this.id,
      renewals: this.lease.renewals,
    });
  }

  #released(): LeaseError<"CLOSED"> {
    return new LeaseError("CLOSED", `The lease ${this.id} was released: acquire it again.`);
  }

  #limitError(): LeaseError<"LEASE_RENEWAL_LIMIT"> {
    return limitReached(this.id, this.lease.maxRenewals);
  }
}
