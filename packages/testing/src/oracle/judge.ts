/**
 * The oracle: reads a log of overlapping calls of any backend, and says of each answer whether the rule allows it. It is
 * written from `docs/design.md` and shares nothing with core's steps.
 *
 * It does not know what the store held, only that each call had its effect between its sending and its answer. An answer
 * is forbidden if no order of the calls explains it. What a race could explain is allowed, so a violation is always a
 * fault, and a fault that hides behind a race is not seen.
 */
import type { Call } from "./calls.js";
import { Evidence } from "./evidence.js";
import { judgeAcquire, judgeDenial } from "./judge-acquire.js";
import { judgeGrant, judgeLives, judgeTokens } from "./judge-leases.js";
import { ListJudge } from "./judge-list.js";
import { judgeRelease } from "./judge-release.js";
import { RenewalJudge } from "./judge-renewal.js";
import { judgeSweep } from "./judge-sweep.js";
import type { JudgeLimits, JudgeOptions } from "./limits.js";
import type { LoggedCall } from "./log.js";
import type { LeaseTimes } from "./times.js";
import type { Verdict } from "./verdict.js";

/**
 * Judges every answer of a log, which must hold all calls of all clients to one namespace, from its first on.
 *
 * @param log - in any order; {@link CallLog} keeps one
 * @param limits - what the store declares: `backend.limits`
 */
export function judge(log: Iterable<LoggedCall>, limits: JudgeLimits, options: JudgeOptions = {}): Verdict {
  const evidence = new Evidence(log, limits, options);
  const { calls, findings } = evidence;
  const granted = grantedBy(evidence.leases);
  let judged = 0;
  let unjudged = 0;
  for (const { logged, isJudged } of answersOf(evidence)) {
    for (const lease of granted.get(logged) ?? []) judgeGrant(evidence, lease, logged);
    if (isJudged()) judged += 1;
    else unjudged += 1;
  }
  judgeTokens(evidence);
  judgeLives(evidence);
  const { violations, races } = findings;
  return { violations, judged, unjudged, races, unanswered: calls.unanswered };
}

interface Answer {
  readonly logged: LoggedCall;
  readonly from: number;
  /** Judges it, and says whether there was something to go by. */
  readonly isJudged: () => boolean;
}

/** In the order in which they were sent for. */
function answersOf(evidence: Evidence): Answer[] {
  const { acquires, renewals, releases, lists, sweeps, denials } = evidence.calls;
  const renewalJudge = new RenewalJudge(evidence);
  const listJudge = new ListJudge(evidence);
  return [
    ...answered(acquires.filter(isAnswered), (call) => judgeAcquire(evidence, call)),
    ...answered(renewals.filter(isAnswered), (call) => renewalJudge.judge(call)),
    ...answered(releases.filter(isAnswered), (call) => judgeRelease(evidence, call)),
    ...answered(sweeps.filter(isAnswered), (call) => judgeSweep(evidence, call)),
    ...lists.filter(isAnswered).map((call) => ({ ...call, isJudged: () => listJudge.judge(call) })),
    ...denials.map((call) => ({ ...call, isJudged: () => judgeDenial(evidence, call) })),
  ].sort((a, b) => a.from - b.from);
}

function answered<One extends Call<unknown, unknown>>(
  calls: readonly One[],
  judgeOne: (call: One) => void,
): Answer[] {
  return calls.map((call) => ({
    ...call,
    isJudged: () => {
      judgeOne(call);
      return true;
    },
  }));
}

function isAnswered({ answer }: { readonly answer: unknown }): boolean {
  return answer !== null;
}

/** The leases that each call is the first to show as granted. */
function grantedBy(leases: readonly LeaseTimes[]): ReadonlyMap<LoggedCall, readonly LeaseTimes[]> {
  const granted = new Map<LoggedCall, LeaseTimes[]>();
  for (const lease of leases) {
    if (lease.activeCall === undefined) continue;
    granted.set(lease.activeCall, [...(granted.get(lease.activeCall) ?? []), lease]);
  }
  return granted;
}
