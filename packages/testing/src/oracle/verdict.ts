/** What comes out of a judgement. */
import type { LoggedCall } from "./log.js";

/** What kind of promise was broken. */
export type ViolationKind =
  /** Two leases that conflict were held at one time. */
  | "two holders"
  /** A lease was granted past an earlier one that was queued for a conflicting claim. */
  | "overtaken"
  /** A request was refused because of a lease that was not in its way. */
  | "refused while free"
  /** A refusal leaves out what blocks, or counts it wrongly. */
  | "wrong blockers"
  /** A lease was reported gone, or its claims went to another, before its time and with nothing that ended it. */
  | "ended early"
  /** A lease was shown as live, or renewed, or ended again after its end. */
  | "revived"
  /** An id that expired, was revoked or abandoned began to live again, or its end was forgotten too soon. */
  | "second life"
  /** An end was reported that nothing in the log can have caused. */
  | "unexplained end"
  /** A remaining time is longer or shorter than it can be. */
  | "wrong time"
  /** A token was given twice, is not above those given before, or changed. */
  | "wrong token"
  /** Another agent's lease was renewed, released or given out, or an owner was told that it is none. */
  | "wrong owner"
  /** A renewal was counted, repeated or limited wrongly. */
  | "wrong count"
  /** A lease, a blocker or a page shows something else than what was asked for. */
  | "wrong picture"
  /** A status that the request, or the state of its lease, excludes. */
  | "wrong status";

/** An answer that the rule forbids. */
export interface Violation {
  readonly kind: ViolationKind;
  /** One sentence: what was answered, and why that cannot be. */
  readonly why: string;
  /** The calls it takes to see it: the forbidden answer first. */
  readonly calls: readonly LoggedCall[];
}

/** What the judge found in a log. */
export interface Verdict {
  readonly violations: readonly Violation[];
  /** Answers that were allowed or forbidden. */
  readonly judged: number;
  /** Answers of which the log does not say enough. */
  readonly unjudged: number;
  /** Calls without an answer, or with an error that says nothing of leases: there is nothing to judge. */
  readonly unanswered: number;
}
