/**
 * Makes a backend of a store: what every backend does before its store is asked. Requests are checked, what a store may
 * keep is copied and frozen, and after `close()` nothing reaches the store. Decorators go through it too.
 */
import { LeaseError } from "../errors.js";
import type { JsonValue, LeaseEvent } from "../model/model.js";
import type {
  AcquireRequest,
  BackendLimits,
  ChangesOptions,
  LeaseBackend,
  LeaseQuery,
  ReleaseRequest,
  RenewRequest,
} from "./backend.js";
import {
  checkAcquire,
  checkChanges,
  checkQuery,
  checkRelease,
  checkRenew,
  checkSweep,
  checkTurn,
} from "./check.js";

/**
 * Makes a backend of a store.
 *
 * @param store - the eight operations, `kind` and `limits`. Its requests are checked and its own: nobody changes them
 * later. Its `close` is called once, and nothing is called after it. A decorator gives the `limits` of the backend
 * below it as they are, and hands on requests as they are: they are then checked and copied once.
 */
export function defineBackend(store: LeaseBackend): LeaseBackend {
  const { kind } = store;
  // A decorator's are those of the backend below it, which are frozen: the same object, so that both trust its checks.
  const limits = Object.isFrozen(store.limits) ? store.limits : Object.freeze({ ...store.limits });
  let closing: Promise<void> | null = null;
  const open = () => {
    if (closing !== null) throw closed(kind);
  };
  return {
    kind,
    limits,
    acquire: (request) =>
      promised(() => {
        const own = ownAcquire(request, limits);
        open();
        return store.acquire(own);
      }),
    turn: (wait) =>
      promised(() => {
        checkTurn(wait);
        open();
        return store.turn({ ...wait });
      }),
    renew: (requests) =>
      promised(() => {
        checkRenew(requests, limits);
        open();
        return store.renew(requests.map(ownRenew));
      }),
    release: (requests) =>
      promised(() => {
        checkRelease(requests);
        open();
        return store.release(requests.map(ownRelease));
      }),
    list: (query) =>
      promised(() => {
        checkQuery(query);
        open();
        return store.list(ownFilters(query));
      }),
    sweep: (options) =>
      promised(() => {
        checkSweep(options);
        open();
        return store.sweep({ ...options });
      }),
    async *changes(options): AsyncGenerator<LeaseEvent, void> {
      checkChanges(options);
      open();
      yield* store.changes(ownFilters(options));
    },
    async close() {
      closing ??= store.close();
      await closing;
    },
  };
}

/** The promise of a store as it is, where an `async` function would wrap another around it; what is thrown rejects. */
function promised<T>(run: () => Promise<T>): Promise<T> {
  try {
    return run();
  } catch (error) {
    return Promise.reject(error);
  }
}

/** What a backend throws once it was closed. */
export function closed(kind: string): LeaseError<"CLOSED"> {
  return new LeaseError("CLOSED", `This ${kind} backend was closed: open a new one.`);
}

/** Lets a subclass give private fields to an object that is there already. */
class Given {
  constructor(given: object) {
    // biome-ignore lint/correctness/noConstructorReturn: the object becomes `this` of the subclass
    return given;
  }
}

/**
 * By which limits a request was checked and copied: one that a decorator hands on stays as it is. In a private field,
 * which copies do not carry along; a WeakMap of all requests would take a twentieth of the time of a pair on SQLite.
 */
class Checked extends Given {
  readonly #by: BackendLimits;

  constructor(request: AcquireRequest, by: BackendLimits) {
    super(request);
    this.#by = by;
  }

  static isBy(request: unknown, limits: BackendLimits): boolean {
    return typeof request === "object" && request !== null && #by in request && request.#by === limits;
  }
}

function ownAcquire(request: AcquireRequest, limits: BackendLimits): AcquireRequest {
  if (Checked.isBy(request, limits)) return request;
  checkAcquire(request, limits);
  const own: AcquireRequest = {
    id: request.id,
    agentId: request.agentId,
    claims: Object.freeze(request.claims.map(({ resource, mode }) => Object.freeze({ resource, mode }))),
    ttlMs: request.ttlMs,
    maxRenewals: request.maxRenewals,
    wait: request.wait,
    waitTtlMs: request.waitTtlMs,
    holding: request.holding.length === 0 ? NONE : Object.freeze([...request.holding]),
    reason: request.reason,
    metadata: request.metadata && frozen(structuredClone(request.metadata)),
  };
  new Checked(own, limits);
  return own;
}

const NONE: readonly string[] = Object.freeze([]);

function ownRenew({ id, agentId, token, ttlMs, renewal }: RenewRequest): RenewRequest {
  return { id, agentId, token, ttlMs, renewal };
}

function ownRelease(request: ReleaseRequest): ReleaseRequest {
  return { ...request };
}

function ownFilters<F extends LeaseQuery | ChangesOptions>(filters: F): F {
  return filters.ids === undefined ? { ...filters } : { ...filters, ids: [...filters.ids] };
}

/** Answers show these objects as they are kept: a caller that changes an answer must not change the store. */
function frozen<T extends JsonValue>(data: T): T {
  if (typeof data !== "object" || data === null) return data;
  for (const part of Object.values(data)) frozen(part);
  return Object.freeze(data);
}
