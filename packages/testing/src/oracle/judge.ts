/**
 * The oracle: reads a log of overlapping calls of any backend and says of each answer whether the rule allows it. It is
 * written from `docs/design.md` alone. It knows no state of the store: only what was sent, what was answered, and that
 * whatever a call did lies between the two.
 *
 * An answer is forbidden when no order of the calls explains it: then something is broken, whatever the store is. An
 * answer that some order explains is allowed. So a race between two calls never counts as a fault, and a fault that a
 * race could explain is not seen.
 */
import { Evidence } from "./evidence.js";
import { judgeAcquire, judgeDenial } from "./judge-acquire.js";
import { judgeSweep, ListJudge } from "./judge-list.js";
import { judgeGrant, judgeLives, judgeTokens } from "./judge-lives.js";
import { judgeRelease } from "./judge-release.js";
import { RenewalJudge } from "./judge-renewal.js";
import type { JudgeLimits, JudgeOptions } from "./limits.js";
import type { LoggedCall } from "./log.js";
import type { LifeTimes } from "./times.js";
import type { Verdict } from "./verdict.js";

/**
 * Judges every answer of a log. The log must hold all calls to one namespace from its first on, by whomever.
 *
 * @param log - in any order; see {@link CallLog} for a way to keep one
 * @param limits - what the store declares, `backend.limits`
 */
export function judge(log: Iterable<LoggedCall>, limits: JudgeLimits, options: JudgeOptions = {}): Verdict {
  const evidence = new Evidence(log, limits, options);
  const { calls, findings } = evidence;
  const granted = new Map<LoggedCall, LifeTimes[]>();
  for (const life of evidence.lives) {
    if (life.activeCall === undefined) continue;
    granted.set(life.activeCall, [...(granted.get(life.activeCall) ?? []), life]);
  }
  const renewals = new RenewalJudge(evidence);
  const lists = new ListJudge(evidence);
  const acquireOf = new Map(calls.acquires.filter(isAnswered).map((call) => [call.logged, call]));
  const renewalOf = new Map(calls.renewals.filter(isAnswered).map((call) => [call.logged, call]));
  const releaseOf = new Map(calls.releases.filter(isAnswered).map((call) => [call.logged, call]));
  const listOf = new Map(calls.lists.filter(isAnswered).map((call) => [call.logged, call]));
  const sweepOf = new Map(calls.sweeps.filter(isAnswered).map((call) => [call.logged, call]));
  const answered = [...acquireOf, ...renewalOf, ...releaseOf, ...listOf, ...sweepOf];
  answered.sort(([a], [b]) => a.sentAt - b.sentAt);
  let judged = 0;
  let unjudged = 0;
  const count = (isJudged: boolean): void => {
    if (isJudged) judged += 1;
    else unjudged += 1;
  };
  for (const [logged] of answered) {
    for (const life of granted.get(logged) ?? []) judgeGrant(evidence, life, logged);
    const acquire = acquireOf.get(logged);
    const renewal = renewalOf.get(logged);
    const release = releaseOf.get(logged);
    const list = listOf.get(logged);
    const sweep = sweepOf.get(logged);
    if (acquire !== undefined) judgeAcquire(evidence, acquire);
    if (release !== undefined) judgeRelease(evidence, release);
    if (sweep !== undefined) judgeSweep(evidence, sweep);
    if (renewal !== undefined) count(renewals.judge(renewal));
    else count(list === undefined || lists.judge(list));
  }
  for (const denial of calls.denials) count(judgeDenial(evidence, denial));
  judgeTokens(evidence);
  judgeLives(evidence);
  return { violations: findings.violations, judged, unjudged, unanswered: calls.unanswered };
}

function isAnswered({ answer }: { readonly answer: unknown }): boolean {
  return answer !== null;
}
