/** The log in the form that is judged: each call with the span of time in which it can have had its effect. */
import type { LeaseErrorCode } from "@lease/core";
import type {
  AcquireRequest,
  AcquireResult,
  LeasePage,
  LeaseQuery,
  ReleaseRequest,
  ReleaseResult,
  RenewRequest,
  RenewResult,
  SweepOptions,
  SweepResult,
} from "@lease/core/backend";
import type { LoggedCall, LoggedOperation } from "./log.js";

/** A call that had, or may still have, its effect at some moment from `from` to `to`. */
export interface Call<Request, Answer> {
  readonly logged: LoggedCall;
  readonly request: Request;
  readonly from: number;
  /** When it was answered; `Infinity` where nothing says that it will not arrive later. */
  readonly to: number;
  readonly answer: Answer | null;
}

export type AcquireCall = Call<AcquireRequest, AcquireResult>;
export type RenewCall = Call<RenewRequest, RenewResult>;
export type ReleaseCall = Call<ReleaseRequest, ReleaseResult>;
export type ListCall = Call<LeaseQuery, LeasePage>;
export type SweepCall = Call<SweepOptions, SweepResult>;

/** An acquire that was refused as a request: it changed nothing. */
export interface Denial {
  readonly logged: LoggedCall;
  readonly request: AcquireRequest;
  readonly from: number;
  readonly to: number;
  readonly code: LeaseErrorCode;
}

/** All calls of a log, by operation, in the order in which they were sent. */
export interface Calls {
  readonly acquires: readonly AcquireCall[];
  readonly renewals: readonly RenewCall[];
  readonly releases: readonly ReleaseCall[];
  readonly lists: readonly ListCall[];
  readonly sweeps: readonly SweepCall[];
  readonly denials: readonly Denial[];
  /** How many have no answer that could be judged. */
  readonly unanswered: number;
}

/** @param copies - every message may arrive once more, unheard */
export function callsOf(log: Iterable<LoggedCall>, copies: boolean): Calls {
  const sorted = [...log].sort((a, b) => a.sentAt - b.sentAt);
  const lists: Record<LoggedOperation, Call<unknown, unknown>[]> = {
    acquire: [],
    renew: [],
    release: [],
    list: [],
    sweep: [],
  };
  const denials: Denial[] = [];
  let unanswered = 0;
  for (const logged of sorted) {
    const { request, outcome, sentAt: from } = logged;
    const to = logged.answeredAt ?? Number.POSITIVE_INFINITY;
    const add = (until: number, answer: unknown): void => {
      lists[logged.operation].push({ logged, request, from, to: until, answer });
    };
    if (outcome.kind === "answer") {
      add(to, outcome.answer);
      if (copies) add(Number.POSITIVE_INFINITY, null);
    } else if (outcome.kind === "error" && logged.operation === "acquire" && isDenial(outcome.code)) {
      if (isRequest(logged.request))
        denials.push({ logged, request: logged.request, from, to, code: outcome.code });
      else unanswered += 1;
    } else {
      unanswered += 1;
      if (outcome.kind === "none" || !isWithoutEffect(outcome.code)) add(Number.POSITIVE_INFINITY, null);
    }
  }
  const { acquire, renew, release, list, sweep } = lists;
  return {
    acquires: acquire as AcquireCall[],
    renewals: renew as RenewCall[],
    releases: release as ReleaseCall[],
    lists: list as ListCall[],
    sweeps: sweep as SweepCall[],
    denials,
    unanswered,
  };
}

/** A test may also send what is no request at all. */
function isRequest(request: Partial<AcquireRequest> | null | undefined): request is AcquireRequest {
  return typeof request?.id === "string" && Array.isArray(request.claims);
}

/** What the store answers about the request itself. */
function isDenial(code: LeaseErrorCode): boolean {
  return code === "LEASE_NOT_OWNER" || code === "INVALID_ARGUMENT";
}

/** Every other error leaves it open: the call may have been applied, or be still on its way. */
function isWithoutEffect(code: LeaseErrorCode): boolean {
  return code === "BACKEND_UNAVAILABLE" || isDenial(code);
}
