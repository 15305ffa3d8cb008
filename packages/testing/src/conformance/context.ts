/** What a case works with: two clients of one empty namespace, time, and the questions that most cases ask. */
import type { Claim, Lease, LeaseBackend, LeaseEvent, LeaseEventType } from "@lease/core";
import type {
  AcquireRequest,
  AcquireResult,
  BackendLimits,
  ChangesOptions,
  LeaseQuery,
  ReleaseResult,
  RenewRequest,
  RenewResult,
} from "@lease/core/backend";
import { CheckFailed, check, equal } from "../assert.js";
import { auditFeed } from "../audit.js";
import { CallLog } from "../oracle/call-log.js";
import { checkAllowed } from "../oracle/check-allowed.js";
import { acquireRequest } from "../request.js";
import type { ConformanceStore } from "../store.js";
import { CaseTime } from "./time.js";

/** One behaviour that every backend must show: a sentence and the steps that prove it. */
export interface ConformanceCase {
  readonly name: string;
  run(context: CaseContext): Promise<void>;
}

/** Cases of one theme, by what they hold. */
export type Cases = Record<string, (context: CaseContext) => Promise<void>>;

/** Claims on each resource, exclusively. */
export const exclusive = (...resources: string[]): Claim[] =>
  resources.map((resource) => ({ resource, mode: "exclusive" }));

/** Claims on each resource, shared. */
export const shared = (...resources: string[]): Claim[] =>
  resources.map((resource) => ({ resource, mode: "shared" }));

/** A turn that always resolves at once would otherwise spin, and no bound in time would ever be looked at. */
const MAX_ASKED = 500;

type Wanted = string | readonly Claim[];
type Over = Partial<Omit<AcquireRequest, "claims">> & { readonly on?: LeaseBackend };
type Refused = Extract<AcquireResult, { status: "refused" }>;
/** What names a lease to its owner. */
type Owned = Pick<Lease, "id" | "agentId" | "token">;

/** What one case of the suite works with: clients of one empty namespace, time, and questions. */
export class CaseContext {
  /** Two clients of the namespace. */
  readonly backend: LeaseBackend;
  readonly other: LeaseBackend;
  readonly limits: BackendLimits;
  readonly time: CaseTime;
  readonly #store: ConformanceStore;
  readonly #opened: LeaseBackend[] = [];
  readonly #log: CallLog;
  /** A case that prunes history turns this off: only a whole history can be audited. */
  auditable = true;

  private constructor(store: ConformanceStore, backend: LeaseBackend, other: LeaseBackend) {
    this.#store = store;
    this.limits = backend.limits;
    this.time = new CaseTime(store.clock, backend.limits);
    this.#log = new CallLog(this.time);
    this.backend = this.#recorded(backend);
    this.other = this.#recorded(other);
  }

  static async of(store: ConformanceStore): Promise<CaseContext> {
    return new CaseContext(store, await store.open(), await store.open());
  }

  /** One more client. */
  async open(): Promise<LeaseBackend> {
    return this.#recorded(await this.#store.open());
  }

  #recorded(backend: LeaseBackend): LeaseBackend {
    const recorded = this.#log.recorded(backend, `client-${this.#opened.length}`);
    this.#opened.push(recorded);
    return recorded;
  }

  /** Whatever the case was about: the rule allows each answer of it, and its feed shows no two who hold at once. */
  async finish(): Promise<void> {
    checkAllowed(this.#log.calls, this.limits, "the calls of the case");
    if (this.auditable) auditFeed(await this.events({}, await this.open()));
  }

  async close(): Promise<void> {
    for (const backend of this.#opened) await backend.close();
    await this.#store.close();
  }

  /** A complete request: of alice, for `longMs`, without waiting, unless `over` says otherwise. */
  request(wanted: Wanted, { on: _, ...over }: Over = {}): AcquireRequest {
    const { longMs } = this.time;
    return acquireRequest(wanted, { ttlMs: longMs, waitTtlMs: longMs, ...over });
  }

  /** Asks and must be granted. */
  async hold(wanted: Wanted, over: Over = {}): Promise<Lease> {
    return await this.granted(this.request(wanted, over), over.on);
  }

  /** Asks and must be queued. */
  async queue(wanted: Wanted, over: Over = {}): Promise<Lease> {
    const { lease } = await this.refused(this.request(wanted, { wait: "queue", ...over }), over.on);
    check(lease !== null, "a request that waits is answered with its pending lease");
    return lease;
  }

  async granted(request: AcquireRequest, on = this.backend): Promise<Lease> {
    const result = await on.acquire(request);
    if (result.status !== "granted")
      throw new CheckFailed(`expected a grant, got ${told(result)}`, "granted", result);
    return result.lease;
  }

  async refused(request: AcquireRequest, on = this.backend): Promise<Refused> {
    const result = await on.acquire(request);
    if (result.status !== "refused")
      throw new CheckFailed(`expected a refusal, got ${told(result)}`, "refused", result);
    return result;
  }

  /** Asks again with the same id: the question "is it my turn?". */
  again(lease: Lease, over: Over = {}): Promise<AcquireResult> {
    const { id, agentId, claims, ttlMs } = lease;
    return (over.on ?? this.backend).acquire(
      this.request(claims, { id, agentId, ttlMs, wait: "queue", ...over }),
    );
  }

  async release({ id, agentId, token }: Owned, on = this.backend): Promise<ReleaseResult["status"]> {
    return only(await on.release([{ kind: "release", id, agentId, token }])).status;
  }

  async abandon(
    { id, agentId }: Pick<Lease, "id" | "agentId">,
    on = this.backend,
  ): Promise<ReleaseResult["status"]> {
    return only(await on.release([{ kind: "abandon", id, agentId }])).status;
  }

  async revoke(
    { id }: Pick<Lease, "id">,
    graceMs = 0,
    { by = "operator", reason = "needed elsewhere" as string | null, on = this.backend } = {},
  ): Promise<ReleaseResult["status"]> {
    return only(await on.release([{ kind: "revoke", id, by, reason, graceMs }])).status;
  }

  async renew(
    { id, agentId, token }: Owned,
    over: Partial<RenewRequest> = {},
    on = this.backend,
  ): Promise<RenewResult> {
    return only(await on.renew([{ id, agentId, token, ...over }]));
  }

  async renewed(lease: Owned, over: Partial<RenewRequest> = {}, on = this.backend): Promise<Lease> {
    const result = await this.renew(lease, over, on);
    if (result.status !== "renewed")
      throw new CheckFailed(`expected a renewal, got ${told(result)}`, "renewed", result);
    return result.lease;
  }

  /** All live leases, page by page. */
  async list(query: LeaseQuery = {}, on = this.backend): Promise<Lease[]> {
    const leases: Lease[] = [];
    let after = query.after;
    for (;;) {
      const page = await on.list({ ...query, after });
      leases.push(...page.leases);
      if (page.next === null) return leases;
      after = page.next;
    }
  }

  /** The live lease of an id, if there is one. */
  async find(id: string, on = this.backend): Promise<Lease | undefined> {
    return (await this.list({ ids: [id] }, on))[0];
  }

  /** The history as it stands. */
  async events(options: ChangesOptions = {}, on = this.backend): Promise<LeaseEvent[]> {
    const events: LeaseEvent[] = [];
    for await (const event of on.changes(options)) events.push(event);
    return events;
  }

  /** What happened to a lease, in order. */
  async story({ id }: Pick<Lease, "id">, on = this.backend): Promise<LeaseEventType[]> {
    return (await this.events({ ids: [id] }, on)).map((event) => event.type);
  }

  /** Compares what the author expects with what the backend declares. */
  async expectLimits(expected: Partial<BackendLimits>): Promise<void> {
    for (const [name, value] of Object.entries(expected)) {
      equal(this.limits[name as keyof BackendLimits], value, `limits.${name}`);
    }
  }

  /** Waits until a lease ended by time alone; asserts nothing of when. */
  async outlive({ id }: Pick<Lease, "id">, on = this.backend): Promise<void> {
    await this.time.until(
      async () => ((await this.find(id, on)) === undefined ? true : undefined),
      "the lease ends by time alone",
      this.time.shortMs * 3 + this.limits.expirySlackMs + 10_000,
    );
  }

  /** Waits as a client should: for the hint, then asks; counts how often it asked. */
  waitFor(pending: Lease, over: Over = {}): Promise<{ lease: Lease; asked: number }> {
    return background(this.#waitFor(pending, over));
  }

  async #waitFor(pending: Lease, over: Over): Promise<{ lease: Lease; asked: number }> {
    const on = over.on ?? this.backend;
    for (let asked = 1; ; asked += 1) {
      await on.turn({ id: pending.id, timeoutMs: this.time.longMs });
      const result = await this.again(pending, over);
      if (result.status === "granted") return { lease: result.lease, asked };
      equal(result.status, "refused", "a waiter that asks is granted or goes on waiting");
      check(asked < MAX_ASKED, `turn woke a waiter ${asked} times for nothing`);
    }
  }
}

/** Goes on beside the case: if the case fails first, what becomes of this is nobody's concern. */
export function background<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** The one answer of a batch of one. */
export function only<T>(answers: readonly T[]): T {
  equal(answers.length, 1, "answers to a batch of one");
  return answers[0] as T;
}

/** What a request was answered, in a sentence. */
function told(result: { readonly status: string }): string {
  return JSON.stringify(result);
}
