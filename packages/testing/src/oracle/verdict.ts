/** What comes out of a judgement. */
import type { LoggedCall } from "./log.js";

/** Which promise was broken. */
export type ViolationKind =
  /** Two leases that conflict were held at one time. */
  | "two holders"
  /** A lease was granted past an earlier one that was queued for a conflicting claim. */
  | "overtaken"
  /** A request was refused because of something that was not in its way. */
  | "refused while free"
  /** A refusal leaves out what blocks, or counts it wrongly. */
  | "wrong blockers"
  /** A lease was reported gone before its time, and nothing can have ended it. */
  | "ended early"
  /** A lease was shown as live, renewed or ended again after its end. */
  | "revived"
  /** An id lived again, or its end was forgotten, while it had to be answered `ended`. */
  | "second life"
  /** An end was reported for which the log has no cause. */
  | "unexplained end"
  /** A remaining time is longer or shorter than it can be. */
  | "wrong time"
  /** A token was given twice, is not above those given before, or changed. */
  | "wrong token"
  /** A lease was renewed, released or given to an agent that it does not belong to, or refused to the one it does. */
  | "wrong owner"
  /** A renewal was counted, repeated or limited wrongly. */
  | "wrong count"
  /** An answer shows something else than what was asked for. */
  | "wrong picture"
  /** A status that the request, or the state of its lease, excludes. */
  | "wrong status";

/** An answer that the rule forbids. */
export interface Violation {
  readonly kind: ViolationKind;
  /** One sentence: what was answered, and why that cannot be. */
  readonly why: string;
  /** The forbidden answer, then the one or two calls that it contradicts. */
  readonly calls: readonly LoggedCall[];
}

/** What the oracle says of a log. */
export interface Verdict {
  /** Answers that no order of the calls explains. An answer that breaks several promises is here several times. */
  readonly violations: readonly Violation[];
  /** How many answers were allowed or forbidden. */
  readonly judged: number;
  /** How many answers could not be judged, because the log says too little of them. */
  readonly unjudged: number;
  /**
   * Of the acquires judged, how many could have been granted as well as refused: another call that decides it was under
   * way at the same time. A fault in one of these is not seen by its status alone.
   */
  readonly races: number;
  /** How many calls have no answer, or an error that says nothing of any lease. */
  readonly unanswered: number;
}
