/**
 * Calls to etcd: which member is asked, for how long, and what an unanswered call means. The client library's own
 * retries are off (cockatiel's `noop`): they would run a write twice and hide which member hangs.
 */
import { isLeaseError } from "@lease/core";
import { closed } from "@lease/core/backend";
import type { Etcd3, IRangeRequest, IRangeResponse, ITxnRequest, ITxnResponse } from "etcd3";
import { failureOf, toLeaseError } from "./errors.js";
import type { Endpoint } from "./streams.js";

type CallOptions = NonNullable<Parameters<Etcd3["kv"]["txn"]>[1]>;
type Call<T> = (endpoint: Endpoint, options: CallOptions) => Promise<T>;

/** Two members that hang leave time for the third. */
const LEAST_ATTEMPT_MS = 500;

export class Connection {
  readonly #endpoints: readonly Endpoint[];
  /** When a call gives up. */
  readonly timeoutMs: number;
  readonly #ownsClients: boolean;
  readonly #onSwitch = new Set<(failed: Endpoint) => void>();
  #current = 0;
  #closed = false;

  /** @param ownsClients - whether `close` closes them */
  constructor(
    clients: readonly Etcd3[],
    options: { readonly timeoutMs: number; readonly ownsClients: boolean },
  ) {
    this.#endpoints = clients.map((client) => ({ client }));
    this.timeoutMs = options.timeoutMs;
    this.#ownsClients = options.ownsClients;
  }

  /** The member that is asked first. */
  get endpoint(): Endpoint {
    return this.#endpoints[this.#current] as Endpoint;
  }

  /** Calls `run` with a member that failed, whenever another one is asked from now on. */
  onSwitch(run: (failed: Endpoint) => void): void {
    this.#onSwitch.add(run);
  }

  range(request: IRangeRequest): Promise<IRangeResponse> {
    return this.repeatable(({ client }, options) => client.kv.range(request, options));
  }

  /** A transaction that only reads. */
  read(request: ITxnRequest): Promise<ITxnResponse> {
    return this.repeatable(({ client }, options) => client.kv.txn(request, options));
  }

  /** A transaction that may write: after a lost answer it is not sent again. */
  write(request: ITxnRequest): Promise<ITxnResponse> {
    return this.once(({ client }, options) => client.kv.txn(request, options));
  }

  /** For calls that may be applied any number of times: every member is asked until one answers. */
  repeatable<T>(run: Call<T>): Promise<T> {
    return this.#call(run, true);
  }

  /** For calls that must be applied at most once: another member is asked only if surely nothing was applied. */
  once<T>(run: Call<T>): Promise<T> {
    return this.#call(run, false);
  }

  /** Something that came from this member's connection shows that it hangs or is gone: ask another one. */
  failed(endpoint: Endpoint): void {
    if (this.endpoint !== endpoint) return;
    this.#current = (this.#current + 1) % this.#endpoints.length;
    for (const run of this.#onSwitch) run(endpoint);
  }

  close(): void {
    this.#closed = true;
    if (this.#ownsClients) for (const { client } of this.#endpoints) client.close();
  }

  async #call<T>(run: Call<T>, repeatable: boolean): Promise<T> {
    const until = performance.now() + this.timeoutMs;
    for (let attempt = 1; ; attempt += 1) {
      if (this.#closed) throw closed("etcd");
      const { endpoint } = this;
      const leftMs = until - performance.now();
      const boundMs = repeatable ? this.#attemptMs(leftMs, attempt) : leftMs;
      try {
        return await run(endpoint, { deadline: Date.now() + Math.max(1, boundMs) });
      } catch (error) {
        if (this.#closed) throw closed("etcd");
        const failure = failureOf(error);
        if (failure !== "refused") this.failed(endpoint);
        const isOver = attempt >= this.#endpoints.length || until - performance.now() < 1;
        const again = failure === "unapplied" || (failure === "unknown" && repeatable);
        if (isOver || !again || isLeaseError(error)) {
          // A read that failed applied nothing, whatever became of it.
          throw toLeaseError(error, failure === "unknown" && repeatable ? "unapplied" : failure);
        }
      }
    }
  }

  #attemptMs(leftMs: number, attempt: number): number {
    const share = leftMs / Math.max(1, this.#endpoints.length - attempt + 1);
    return Math.min(leftMs, Math.max(share, LEAST_ATTEMPT_MS));
  }
}
