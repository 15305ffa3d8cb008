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
  SweepOptions,
  TurnRequest,
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
 * @param store - the eight operations, `kind` and `limits`. Its requests are checked and its own: nothing changes them
 * later. Its `close` is called once, and nothing is called after it.
 */
export function defineBackend(store: LeaseBackend): LeaseBackend {
  const { kind } = store;
  const limits = Object.freeze({ ...store.limits });
  let closing: Promise<void> | null = null;
  /** What a request becomes, if the backend is open: checked, and the store's own. */
  const received = <R>(request: R, own: (request: R, limits: BackendLimits) => R): R => {
    const checked = own(request, limits);
    if (closing !== null) throw closed(kind);
    return checked;
  };
  return {
    kind,
    limits,
    acquire: (request) => promised(() => store.acquire(received(request, ownAcquire))),
    turn: (wait) => promised(() => store.turn(received(wait, ownTurn))),
    renew: (requests) => promised(() => store.renew(received(requests, ownRenewals))),
    release: (requests) => promised(() => store.release(received(requests, ownReleases))),
    list: (query) => promised(() => store.list(received(query, ownQuery))),
    sweep: (options) => promised(() => store.sweep(received(options, ownSweep))),
    async *changes(options): AsyncGenerator<LeaseEvent, void> {
      yield* store.changes(received(options, ownChanges));
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

function ownAcquire(request: AcquireRequest, limits: BackendLimits): AcquireRequest {
  checkAcquire(request, limits);
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

function ownTurn(wait: TurnRequest): TurnRequest {
  checkTurn(wait);
  return { ...wait };
}

function ownRenewals(requests: readonly RenewRequest[], limits: BackendLimits): RenewRequest[] {
  checkRenew(requests, limits);
  return requests.map(({ id, agentId, token, ttlMs, renewal }) => ({ id, agentId, token, ttlMs, renewal }));
}

function ownReleases(requests: readonly ReleaseRequest[]): ReleaseRequest[] {
  checkRelease(requests);
  return requests.map((request) => ({ ...request }));
}

function ownQuery(query: LeaseQuery): LeaseQuery {
  checkQuery(query);
  return { ...query, ids: query.ids && [...query.ids] };
}

function ownSweep(options: SweepOptions): SweepOptions {
  checkSweep(options);
  return { ...options };
}

function ownChanges(options: ChangesOptions): ChangesOptions {
  checkChanges(options);
  return { ...options, ids: options.ids && [...options.ids] };
}

/** Answers show these objects as they are kept: a caller that changes an answer must not change the store. */
function frozen<T extends JsonValue>(data: T): T {
  if (typeof data !== "object" || data === null) return data;
  for (const part of Object.values(data)) frozen(part);
  return Object.freeze(data);
}
