/**
 * The log that the oracle reads: what each client sent, when, what it was answered, and when. All times are on one
 * clock, that of the observer who keeps the log.
 */
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

/** How a call came back to its client. */
export type CallOutcome<Answer> =
  | { readonly kind: "answer"; readonly answer: Answer }
  | { readonly kind: "error"; readonly code: LeaseErrorCode }
  /** Nothing came back, so the call may take effect at any later time, or never. */
  | { readonly kind: "none" };

interface Logged<Operation extends string, Request, Answer> {
  readonly operation: Operation;
  readonly request: Request;
  /** Who sent it; only for the reader of a violation. */
  readonly client: string;
  /** Milliseconds on the clock of the log, taken before the call was made. */
  readonly sentAt: number;
  /** Taken when the answer or the error was there; `null` as long as neither is. */
  readonly answeredAt: number | null;
  readonly outcome: CallOutcome<Answer>;
}

/**
 * One call of one client. Of a batch (`renew`, `release`) each request is a call of its own. A message that the network
 * delivers twice is two calls: the second is one that nobody heard the answer of ({@link CallLog.copied}).
 */
export type LoggedCall =
  | Logged<"acquire", AcquireRequest, AcquireResult>
  | Logged<"renew", RenewRequest, RenewResult>
  | Logged<"release", ReleaseRequest, ReleaseResult>
  | Logged<"list", LeaseQuery, LeasePage>
  | Logged<"sweep", SweepOptions, SweepResult>;

/** The operations that are logged. `turn` is only a hint, and `changes` has an auditor of its own ({@link FeedAudit}). */
export type LoggedOperation = LoggedCall["operation"];

/** A call of one of the operations. */
export type LoggedCallOf<Operation extends LoggedOperation> = Extract<LoggedCall, { operation: Operation }>;
