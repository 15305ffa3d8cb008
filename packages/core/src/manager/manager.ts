/**
 * `createLeaseManager`: what an agent holds leases with. Requesting, waiting, renewing on time, reporting losses
 * and giving back are here and in the files it uses; the backend only takes atomic steps.
 */

import type { LeaseBackend } from "../backend/backend.js";
import { Bell } from "../backend/bell.js";
import { checkAgentId, checkBoolean, checkNumber, checkObject } from "../backend/check.js";
import { systemClock } from "../clock.js";
import { invalidArgument, isLeaseError, LeaseError } from "../errors.js";
import { createLeaseId } from "../id.js";
import { MAX } from "../model/max.js";
import type { Claim } from "../model/model.js";
import type {
  AcquireOptions,
  CloseOptions,
  HoldSettings,
  LeaseHandle,
  LeaseManager,
  LeaseManagerOptions,
  ManagerEvent,
  ManagerListener,
  Resources,
  TryAcquireResult,
} from "./api.js";
import type { Grant } from "./context.js";
import { DEFAULTS } from "./defaults.js";
import { Handle, type HandleContext, type Parent } from "./handle.js";
import { Listeners } from "./listeners.js";
import { LossFeed } from "./loss-feed.js";
import { checkOptions } from "./options.js";
import { describeRefusal, unavailable } from "./refusal.js";
import { Renewer } from "./renewer.js";
import { ACQUIRE_OPTIONS, checkSettings, claimsOf, HOLD_SETTINGS, TRY_OPTIONS } from "./request.js";
import { type Asking, type WaitOutcome, waitForLease } from "./wait.js";

/**
 * Makes a manager. Does no I/O; the backend opens itself at the first call.
 *
 * @throws `INVALID_ARGUMENT` for a bad agent id or no backend
 */
export function createLeaseManager(options: LeaseManagerOptions): LeaseManager {
  return new Manager(options);
}

const KNOWN = ["backend", "agentId", "defaults", "sequential", "followLosses", "clock", "random"];

/** A request's answer, the lease already in hand. */
type Answer =
  | { readonly status: "granted"; readonly lease: LeaseHandle }
  | Extract<WaitOutcome, { status: "refused" }>;

class Manager implements LeaseManager {
  readonly backend: LeaseBackend;
  readonly agentId: string;
  readonly #defaults: HoldSettings;
  readonly #sequential: boolean;
  readonly #context: HandleContext;
  readonly #lossFeed: LossFeed | null;
  readonly #held = new Set<Handle>();
  /** Requests under way: aborted with `CLOSED` at `drain()` and `close()`. */
  readonly #waits = new Set<AbortController>();
  /** Rings when the last request has its answer. */
  readonly #answered = new Bell();
  readonly #listeners = new Listeners<ManagerEvent>();
  /** Aborts when closing has taken its time. */
  readonly #giveUp = new AbortController();
  readonly #cleanups = new Set<Promise<void>>();
  /** Rings when the last lease has ended. */
  readonly #emptied = new Bell();
  #grantsNoMore = false;
  #closing: Promise<void> | null = null;

  constructor(options: LeaseManagerOptions) {
    checkOptions(options, KNOWN);
    const { backend, agentId, defaults = {}, sequential = false } = options;
    checkObject(backend, "backend");
    checkAgentId(agentId, "agentId");
    checkOptions(defaults, HOLD_SETTINGS, "defaults");
    checkSettings(defaults);
    checkBoolean(sequential, "sequential");
    const { followLosses = backend.limits.mayEndEarly, clock = systemClock, random = Math.random } = options;
    checkBoolean(followLosses, "followLosses");
    this.backend = backend;
    this.agentId = agentId;
    this.#defaults = defaults;
    this.#sequential = sequential;
    this.#lossFeed = followLosses ? new LossFeed(backend, agentId, clock, random) : null;
    this.#context = {
      backend,
      clock,
      random,
      createId: () => createLeaseId(clock.wallNow()),
      onCleanup: (cleanup) => this.#track(cleanup),
      giveUp: this.#giveUp.signal,
      renewer: new Renewer(backend, clock),
      acquire: (resources, acquireOptions, parent) => this.#acquire(resources, acquireOptions, parent),
      notify: (event) => this.#listeners.notify(event),
      onEnded: (handle) => this.#onEnded(handle),
    };
  }

  get held(): readonly LeaseHandle[] {
    return [...this.#held].map(({ inHand }) => inHand);
  }

  observe(listener: ManagerListener): () => void {
    return this.#listeners.add(listener);
  }

  acquire(resources: Resources, options: AcquireOptions = {}): Promise<LeaseHandle> {
    return this.#acquire(resources, options);
  }

  async #acquire(resources: Resources, options: AcquireOptions, parent?: Parent): Promise<LeaseHandle> {
    const settings = this.#settings(options, ACQUIRE_OPTIONS);
    const claims = claimsOf(resources, settings.mode ?? "exclusive");
    const answer = await this.#ask(claims, settings, settings.waitMs ?? DEFAULTS.waitMs, parent);
    if (answer.status === "refused") {
      const { agentId } = this;
      throw unavailable(claims, answer.refusal, { agentId, waitedMs: answer.waitedMs });
    }
    return answer.lease;
  }

  async tryAcquire(resources: Resources, options: AcquireOptions = {}): Promise<TryAcquireResult> {
    const settings = this.#settings(options, TRY_OPTIONS);
    const claims = claimsOf(resources, settings.mode ?? "exclusive");
    const answer = await this.#ask(claims, settings, 0);
    if (answer.status === "granted") return { granted: true, lease: answer.lease };
    const { blockers, blockerCount, position, retryInMs } = answer.refusal;
    const message = describeRefusal(claims, answer.refusal, { agentId: this.agentId });
    return { granted: false, message, blockers, blockerCount, position, retryInMs };
  }

  async withLease<T>(
    resources: Resources,
    ...rest:
      | [work: (lease: LeaseHandle) => T | Promise<T>]
      | [options: AcquireOptions, work: (lease: LeaseHandle) => T | Promise<T>]
  ): Promise<T> {
    const [options, work] = rest.length === 1 ? [{}, rest[0]] : rest;
    if (typeof work !== "function") throw invalidArgument("work", "must be a function");
    const lease = await this.acquire(resources, options);
    try {
      const result = await work(lease);
      await assertProtected(lease);
      return result;
    } finally {
      await lease.release();
    }
  }

  async drain(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    checkOptions(options, ["signal"]);
    checkSettings(options);
    this.#grantNoMore();
    if (this.#held.size > 0) await this.#emptied.wait(options.signal);
  }

  async close(options: CloseOptions = {}): Promise<void> {
    checkOptions(options, ["backend", "withinMs"]);
    const { withinMs = DEFAULTS.closeMs } = options;
    checkNumber(withinMs, "withinMs", 0);
    this.#closing ??= this.#close(withinMs);
    await this.#closing;
    if (options.backend === true) await this.backend.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #grantNoMore(): void {
    this.#grantsNoMore = true;
    for (const wait of this.#waits) wait.abort(closed());
  }

  async #close(withinMs: number): Promise<void> {
    this.#grantNoMore();
    const cancelTimer = this.#context.clock.schedule(withinMs, () => this.#giveUp.abort());
    await Promise.all([...this.#held].map((lease) => lease.releaseAtClose()));
    // One that is granted something in this very moment gives it back itself.
    if (this.#waits.size > 0) await this.#answered.wait();
    // A clean-up may begin another one: a grant that arrives after its request was aborted.
    while (this.#cleanups.size > 0) await Promise.all(this.#cleanups);
    await this.#lossFeed?.stop();
    cancelTimer();
  }

  /** What a call says, over what the manager was made with. The backend checks what reaches it; the rest is here. */
  #settings(options: AcquireOptions, known: readonly string[]): AcquireOptions {
    checkOptions(options, known);
    const settings = { ...this.#defaults, ...defined(options) };
    checkSettings(settings);
    return settings;
  }

  async #request(claims: readonly Claim[], settings: AcquireOptions, parent?: Parent): Promise<Asking> {
    const { ttlMs = DEFAULTS.ttlMs } = settings;
    return {
      id: this.#context.createId(),
      agentId: this.agentId,
      claims,
      ttlMs: typeof ttlMs === "number" ? ttlMs : await ttlMs({ agentId: this.agentId, claims }),
      maxRenewals: settings.maxRenewals ?? null,
      waitTtlMs: settings.waitTtlMs ?? DEFAULTS.waitTtlMs,
      holding: this.#holding(settings, parent),
      reason: settings.reason ?? null,
      metadata: settings.metadata ?? null,
    };
  }

  #holding(settings: AcquireOptions, parent: Parent | undefined): string[] {
    const ids = (settings.holding ?? []).map((lease) => (typeof lease === "string" ? lease : lease?.id));
    const stated = new Set(ids);
    const implied = [
      ...(parent?.holding ?? []),
      ...(this.#sequential ? [...this.#held].map(({ id }) => id) : []),
    ];
    for (const id of implied) {
      // A request that would state more than it can still acquires; a deadlock through the rest is not found.
      if (stated.size >= MAX.holding) break;
      stated.add(id);
    }
    return [...stated];
  }

  /**
   * Sends one request and takes in hand what it is granted. The caller's signal, the end of the lease that it was
   * acquired under, and `close()` can end it.
   */
  async #ask(
    claims: readonly Claim[],
    settings: AcquireOptions,
    waitMs: number,
    parent?: Parent,
  ): Promise<Answer> {
    const signals = [settings.signal, parent?.over].filter((signal) => signal !== undefined);
    const throwIfEnded = () => {
      if (this.#grantsNoMore) throw closed();
      for (const signal of signals) signal.throwIfAborted();
    };
    throwIfEnded();
    const request = await this.#request(claims, settings, parent);
    // A policy may have taken its time.
    throwIfEnded();
    const { clock } = this.#context;
    const startedAt = clock.now();
    const requestId = request.id;
    const wait = new AbortController();
    const onAbort = ({ target }: Event) => wait.abort((target as AbortSignal).reason);
    for (const signal of signals) signal.addEventListener("abort", onAbort);
    this.#waits.add(wait);
    this.#listeners.notify({ type: "requested", requestId });
    try {
      const outcome = await waitForLease(this.#context, request, { waitMs, signal: wait.signal });
      const waitedMs = clock.now() - startedAt;
      if (outcome.status === "refused") {
        this.#listeners.notify({ type: "refused", requestId, waitedMs });
        return outcome;
      }
      const lease = this.#hold(outcome.grant, settings);
      this.#listeners.notify({ type: "granted", requestId, lease, waitedMs });
      return { status: "granted", lease };
    } catch (error) {
      this.#listeners.notify({ type: "failed", requestId, waitedMs: clock.now() - startedAt, error });
      throw error;
    } finally {
      this.#waits.delete(wait);
      if (this.#waits.size === 0) this.#answered.ring();
      for (const signal of signals) signal.removeEventListener("abort", onAbort);
    }
  }

  #hold(grant: Grant, settings: HoldSettings): LeaseHandle {
    const { autoRenew = true, maxHoldMs = Number.POSITIVE_INFINITY } = settings;
    const handle = new Handle(grant, { autoRenew, maxHoldMs }, this.#context);
    this.#held.add(handle);
    if (this.#grantsNoMore) {
      // Drained or closed between the grant and this line: nothing else would release it.
      this.#track(handle.release().then(() => undefined));
      throw closed();
    }
    this.#lossFeed?.watch(handle);
    return handle.inHand;
  }

  #onEnded(handle: Handle): void {
    this.#held.delete(handle);
    this.#lossFeed?.unwatch(handle);
    if (this.#held.size === 0) this.#emptied.ring();
  }

  #track(cleanup: Promise<void>): void {
    this.#cleanups.add(cleanup);
    void cleanup.then(() => this.#cleanups.delete(cleanup));
  }
}

/**
 * Throws unless the lease was held up to here, or its holder released it. After the machine slept past the deadline,
 * only the store knows: it is asked, and without an answer the work does not count as protected.
 */
async function assertProtected(lease: LeaseHandle): Promise<void> {
  const { state } = lease;
  if (state === "suspect") {
    const refusal: unknown = await lease.renew().catch((error: unknown) => error);
    // Said of leases that live.
    if (isLeaseError(refusal, "LEASE_RENEWAL_LIMIT") && lease.loss === null) return;
  }
  if (state !== "held" && lease.state !== "ended") lease.assertHeld();
  // Closing the manager released it, not its holder.
  lease.signal.throwIfAborted();
}

function closed(): LeaseError<"CLOSED"> {
  return new LeaseError("CLOSED", "This lease manager is closing: it acquires nothing any more.");
}

/** Without the keys that say `undefined`, which would hide a default. */
function defined(options: AcquireOptions): AcquireOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
