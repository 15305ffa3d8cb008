/**
 * `createLeaseManager`: what an agent holds leases with. Asking, waiting, renewing on time, telling of losses and
 * giving back are here and in the files it uses; the backend only takes atomic steps.
 */
import type { AcquireRequest, LeaseBackend } from "../backend/backend.js";
import { Bell } from "../backend/bell.js";
import { checkAgentId, checkObject, MAX_HOLDING } from "../backend/check.js";
import { type Clock, systemClock } from "../clock.js";
import { isLeaseError, LeaseError } from "../errors.js";
import { createLeaseId } from "../id.js";
import type { Claim, Metadata, Mode, Refusal } from "../model/model.js";
import { DEFAULTS } from "./defaults.js";
import type { LeaseHandle } from "./handle.js";
import { Handle, type HandleContext } from "./held.js";
import { LossFeed } from "./loss-feed.js";
import { Listeners, type ManagerEvent, type ManagerListener } from "./observe.js";
import { describeRefusal, unavailable } from "./refusal.js";
import { Renewer } from "./renewer.js";
import { checkSettings, claimsOf, invalid, type Resources } from "./request.js";
import type { TtlPolicy } from "./ttl.js";
import { type Grant, type WaitOutcome, waitForLease } from "./wait.js";

export type { Resources } from "./request.js";

/** How to hold a lease. All durations in milliseconds. */
export interface HoldSettings {
  /** The mode of every resource given by name. Default `exclusive`. */
  readonly mode?: Mode | undefined;
  /** How long the lease lives from its grant or last renewal, or a policy that says so for each request. Default 30 000. */
  readonly ttlMs?: number | TtlPolicy | undefined;
  /** How long `acquire` stands in line; 0 asks once, `Infinity` waits for ever. Default 30 000. */
  readonly waitMs?: number | undefined;
  /** How long a place in line outlives this process, should it die. Default 15 000. */
  readonly waitTtlMs?: number | undefined;
  /** Renew at a third of the TTL for as long as the lease is held. Default `true`. */
  readonly autoRenew?: boolean | undefined;
  /** Renewals agreed on, after which the lease runs out. Default: no limit. */
  readonly maxRenewals?: number | undefined;
  /** The longest time to hold, however often renewed. Default: no limit. */
  readonly maxHoldMs?: number | undefined;
}

/** One request. */
export interface AcquireOptions extends HoldSettings {
  /** Why: shown to whoever is refused because of this lease. */
  readonly reason?: string | undefined;
  /** Plain JSON kept with the lease. */
  readonly metadata?: Metadata | undefined;
  /**
   * Leases that are kept while this request waits, as handles or ids. Stated, a deadlock through them is found;
   * `lease.acquire(…)` states its own.
   */
  readonly holding?: readonly (Pick<LeaseHandle, "id"> | string)[] | undefined;
  /** Gives up waiting; the call rejects with the signal's reason and leaves no lease behind. */
  readonly signal?: AbortSignal | undefined;
}

/** Whose leases, kept where. */
export interface LeaseManagerOptions {
  /** Where leases are kept. It stays the caller's: `close()` leaves it open unless told otherwise. */
  readonly backend: LeaseBackend;
  /** Who claims: names this process, worker or AI agent to others. */
  readonly agentId: string;
  /** What calls that say nothing else use, in place of the defaults of {@link HoldSettings}. */
  readonly defaults?: HoldSettings;
  /**
   * This agent does one thing at a time: while one request waits, everything that the manager holds is kept. Every
   * request then states all of it (the first 1000), so that any deadlock through it is found. Default `false`.
   */
  readonly sequential?: boolean;
  /**
   * Follow the backend's change feed while something is held, so that a revoke is heard at once instead of at the next
   * renewal. Costs a follower per manager. Default: where the backend's `limits.mayEndEarly` says that it may matter.
   */
  readonly followLosses?: boolean;
  /** Default: the machine's clocks. */
  readonly clock?: Clock;
  /** Chance for jitter, from 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
}

/** How to close a manager, see {@link LeaseManager.close}. */
export interface CloseOptions {
  readonly backend?: boolean;
  readonly withinMs?: number;
}

/** What `tryAcquire` answers: the lease, or what stands in its way and what to do next. */
export type TryAcquireResult =
  | { readonly granted: true; readonly lease: LeaseHandle }
  | ({ readonly granted: false /** The refusal in words. */; readonly message: string } & Refusal);

/** Acquires leases for one agent and keeps them. */
export interface LeaseManager extends AsyncDisposable {
  readonly backend: LeaseBackend;
  readonly agentId: string;
  /** What this manager holds now. */
  readonly held: readonly LeaseHandle[];

  /**
   * Acquires all the resources together, standing in line for up to `waitMs`.
   *
   * @throws `LEASE_UNAVAILABLE` with the blockers when the time is over; `LEASE_DEADLOCK` when waiting could never
   * end; `LEASE_LOST` when somebody revoked the request; `INVALID_ARGUMENT`; `CLOSED`; the backend's own errors; the
   * reason of `options.signal`
   */
  acquire(resources: Resources, options?: AcquireOptions): Promise<LeaseHandle>;

  /**
   * Asks once and answers at once, with the lease or with the refusal as a value.
   *
   * @throws as `acquire`, but for `LEASE_UNAVAILABLE` and `LEASE_DEADLOCK`
   */
  tryAcquire(resources: Resources, options?: Omit<AcquireOptions, "waitMs">): Promise<TryAcquireResult>;

  /**
   * Acquires, runs `work`, releases, and gives what `work` gave. An error of `work` is never masked; if the lease was
   * lost while `work` succeeded, the call rejects with that loss, because not all of the work was protected. Writes
   * that a fenced receiver admitted before may then stand: look before doing the work again.
   */
  withLease<T>(resources: Resources, work: (lease: LeaseHandle) => T | Promise<T>): Promise<T>;
  withLease<T>(
    resources: Resources,
    options: AcquireOptions,
    work: (lease: LeaseHandle) => T | Promise<T>,
  ): Promise<T>;

  /**
   * Tells `listener` of everything that happens to this manager's requests and leases, as it happens. What it throws
   * is ignored.
   *
   * @returns a function that takes the listener away
   */
  observe(listener: ManagerListener): () => void;

  /**
   * Grants nothing from here on and lets what is held come to its end: requests in line and new ones fail with
   * `CLOSED`, also `lease.acquire`; leases go on and are renewed. Never rejects. `close()` releases what is left.
   *
   * @returns when nothing is held any more, or when `options.signal` aborts
   */
  drain(options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;

  /**
   * Ends all: requests in line fail with `CLOSED`, everything held is released (its `signal` aborts with `CLOSED`), and
   * what aborted requests may have left is given back. Safe to call twice.
   *
   * @param options.backend - close the backend too, once all is released, where nobody else uses it. Default `false`
   * @param options.withinMs - what the backend has not confirmed by then is not tried again, and ends by its TTL. The
   * call under way is still awaited. Default 10 000
   * @throws only what the backend throws when it is closed
   */
  close(options?: CloseOptions): Promise<void>;
}

/**
 * Makes a manager. Does no I/O; the backend opens itself at the first call.
 *
 * @throws `INVALID_ARGUMENT` for a bad agent id or no backend
 */
export function createLeaseManager(options: LeaseManagerOptions): LeaseManager {
  return new Manager(options);
}

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
  readonly #listeners = new Listeners<ManagerEvent>();
  /** Aborts when closing has taken its time. */
  readonly #giveUp = new AbortController();
  readonly #cleanups = new Set<Promise<void>>();
  /** Rings when the last lease has ended. */
  readonly #emptied = new Bell();
  #grantsNoMore = false;
  #closing: Promise<void> | null = null;

  constructor(options: LeaseManagerOptions) {
    checkObject(options, "options");
    checkObject(options.backend, "backend");
    checkAgentId(options.agentId, "agentId");
    const { backend, clock = systemClock, random = Math.random } = options;
    this.backend = backend;
    this.agentId = options.agentId;
    this.#defaults = options.defaults ?? {};
    this.#sequential = options.sequential ?? false;
    const follows = options.followLosses ?? backend.limits.mayEndEarly;
    this.#lossFeed = follows ? new LossFeed(backend, options.agentId, clock, random) : null;
    this.#context = {
      backend,
      clock,
      random,
      createId: () => createLeaseId(clock.wallNow()),
      marginOf: (expiresInMs) => backend.limits.clockGranularityMs + expiresInMs * DEFAULTS.driftPart,
      onCleanup: (cleanup) => this.#track(cleanup),
      giveUp: this.#giveUp.signal,
      renewer: new Renewer(backend, clock),
      acquire: (resources, acquireOptions) => this.acquire(resources, acquireOptions),
      tell: (event) => this.#tell(event),
    };
  }

  get held(): readonly LeaseHandle[] {
    return [...this.#held];
  }

  observe(listener: ManagerListener): () => void {
    return this.#listeners.add(listener);
  }

  async acquire(resources: Resources, options: AcquireOptions = {}): Promise<LeaseHandle> {
    const settings = this.#settings(options);
    const claims = claimsOf(resources, settings.mode ?? "exclusive");
    const answer = await this.#ask(claims, settings, settings.waitMs ?? DEFAULTS.waitMs);
    if (answer.status === "refused") throw unavailable(claims, answer.refusal, answer.waitedMs);
    return answer.lease;
  }

  async tryAcquire(resources: Resources, options: AcquireOptions = {}): Promise<TryAcquireResult> {
    const settings = this.#settings(options);
    const claims = claimsOf(resources, settings.mode ?? "exclusive");
    const answer = await this.#ask(claims, settings, 0);
    if (answer.status === "granted") return { granted: true, lease: answer.lease };
    const { blockers, blockerCount, position, retryInMs } = answer.refusal;
    const message = describeRefusal(claims, answer.refusal);
    return { granted: false, message, blockers, blockerCount, position, retryInMs };
  }

  async withLease<T>(
    resources: Resources,
    ...rest:
      | [work: (lease: LeaseHandle) => T | Promise<T>]
      | [options: AcquireOptions, work: (lease: LeaseHandle) => T | Promise<T>]
  ): Promise<T> {
    const [options, work] = rest.length === 1 ? [{}, rest[0]] : rest;
    if (typeof work !== "function") throw invalid("work", "must be a function");
    const lease = await this.acquire(resources, options);
    try {
      const result = await work(lease);
      await assertProtected(lease);
      return result;
    } finally {
      await lease.release();
    }
  }

  async drain({ signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    this.#grantNoMore();
    if (this.#held.size > 0) await this.#emptied.wait(signal);
  }

  async close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options.withinMs ?? DEFAULTS.closeMs);
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
    // A clean-up may begin another one: a grant that arrives after its request was aborted.
    while (this.#cleanups.size > 0) await Promise.all(this.#cleanups);
    await this.#lossFeed?.stop();
    cancelTimer();
  }

  /** What a call says, over what the manager was made with. The backend checks what reaches it; the rest is here. */
  #settings(options: AcquireOptions): AcquireOptions {
    checkObject(options, "options");
    const settings = { ...this.#defaults, ...defined(options) };
    checkSettings(settings);
    return settings;
  }

  async #request(claims: readonly Claim[], settings: AcquireOptions): Promise<Omit<AcquireRequest, "wait">> {
    const { ttlMs = DEFAULTS.ttlMs } = settings;
    return {
      id: this.#context.createId(),
      agentId: this.agentId,
      claims,
      ttlMs: typeof ttlMs === "number" ? ttlMs : await ttlMs({ agentId: this.agentId, claims }),
      maxRenewals: settings.maxRenewals ?? null,
      waitTtlMs: settings.waitTtlMs ?? DEFAULTS.waitTtlMs,
      holding: this.#holding(settings),
      reason: settings.reason ?? null,
      metadata: settings.metadata ?? null,
    };
  }

  #holding(settings: AcquireOptions): string[] {
    const ids = (settings.holding ?? []).map((lease) => (typeof lease === "string" ? lease : lease?.id));
    const stated = new Set(ids);
    if (this.#sequential) {
      for (const lease of this.#held) {
        // Who holds more than can be stated still acquires; a deadlock through the rest is not found.
        if (stated.size >= MAX_HOLDING) break;
        stated.add(lease.id);
      }
    }
    return [...stated];
  }

  /** Sends one request and takes in hand what it is granted. Both the caller's signal and `close()` can end it. */
  async #ask(claims: readonly Claim[], settings: AcquireOptions, waitMs: number): Promise<Answer> {
    const { signal } = settings;
    if (this.#grantsNoMore) throw closed();
    signal?.throwIfAborted();
    const request = await this.#request(claims, settings);
    // A policy may have taken its time.
    if (this.#grantsNoMore) throw closed();
    signal?.throwIfAborted();
    const { clock } = this.#context;
    const startedAt = clock.now();
    const requestId = request.id;
    const wait = new AbortController();
    const onAbort = () => wait.abort(signal?.reason);
    signal?.addEventListener("abort", onAbort);
    this.#waits.add(wait);
    this.#tell({ type: "requested", requestId });
    try {
      const outcome = await waitForLease(this.#context, request, { waitMs, signal: wait.signal });
      const waitedMs = clock.now() - startedAt;
      if (outcome.status === "refused") {
        this.#tell({ type: "refused", requestId, waitedMs });
        return outcome;
      }
      const lease = this.#hold(outcome.grant, settings);
      this.#tell({ type: "granted", requestId, lease, waitedMs });
      return { status: "granted", lease };
    } catch (error) {
      this.#tell({ type: "failed", requestId, waitedMs: clock.now() - startedAt, error });
      throw error;
    } finally {
      this.#waits.delete(wait);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  #hold(grant: Grant, settings: HoldSettings): LeaseHandle {
    const { autoRenew = true, maxHoldMs = Number.POSITIVE_INFINITY } = settings;
    const handle = new Handle(grant, { autoRenew, maxHoldMs }, this.#context);
    this.#held.add(handle);
    if (this.#grantsNoMore) {
      // Drained or closed between the grant and this line: nobody else would release it.
      this.#track(handle.release().then(() => undefined));
      throw closed();
    }
    this.#lossFeed?.watch(handle);
    return handle;
  }

  #tell(event: ManagerEvent): void {
    if (event.type === "ended") {
      const handle = event.lease as Handle;
      this.#held.delete(handle);
      this.#lossFeed?.unwatch(handle);
      if (this.#held.size === 0) this.#emptied.ring();
    }
    this.#listeners.tell(event);
  }

  #track(cleanup: Promise<void>): void {
    this.#cleanups.add(cleanup);
    void cleanup.finally(() => this.#cleanups.delete(cleanup));
  }
}

/**
 * Throws unless the lease was held up to here, or its holder released it. After the machine slept past the deadline,
 * only the store knows: it is asked, and without an answer the work does not count as protected.
 */
async function assertProtected(lease: LeaseHandle): Promise<void> {
  if (lease.state === "suspect") {
    const refusal: unknown = await lease.renew().catch((error: unknown) => error);
    // Said of leases that live.
    if (isLeaseError(refusal, "LEASE_RENEWAL_LIMIT") && lease.loss === null) return;
  }
  if (lease.state !== "ended") lease.assertHeld();
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
