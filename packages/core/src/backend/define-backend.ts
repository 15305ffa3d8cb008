/**
 * Makes a backend of a store: what every backend does before its store is asked. Requests are checked, what a store may
 * keep is copied and frozen, and after `close()` nothing reaches the store. Decorators go through it too.
 */
import { LeaseError } from "../errors.js";
import type { JsonValue, LeaseEvent } from "../model/model.js";
import type {
  AcquireRequest,
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
 * later. Its `close` is called once, and nothing is called after it.
 */
export function defineBackend(store: LeaseBackend): LeaseBackend {
  const { kind } = store;
  const limits = Object.freeze({ ...store.limits });
  let closing: Promise<void> | null = null;
  const open = () => {
    if (closing !== null) throw closed(kind);
  };
  return {
    kind,
    limits,
    async acquire(request) {
      checkAcquire(request, limits);
      open();
      return store.acquire(ownAcquire(request));
    },
    async turn(wait) {
      checkTurn(wait);
      open();
      await store.turn({ ...wait });
    },
    async renew(requests) {
      checkRenew(requests, limits);
      open();
      return store.renew(requests.map(ownRenew));
    },
    async release(requests) {
      checkRelease(requests);
      open();
      return store.release(requests.map(ownRelease));
    },
    async list(query) {
      checkQuery(query);
      open();
      return store.list(ownFilters(query));
    },
    async sweep(options) {
      checkSweep(options);
      open();
      return store.sweep({ ...options });
    },
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

/** What a backend throws once it was closed. */
export function closed(kind: string): LeaseError<"CLOSED"> {
  return new LeaseError("CLOSED", `This ${kind} backend was closed: open a new one.`);
}

function ownAcquire(request: AcquireRequest): AcquireRequest {
  return {
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
