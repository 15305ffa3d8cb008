/** Judges refusals: there was something in the way, and it is told rightly. */
import type { Blocker } from "@lease/core";
import type { AcquireResult } from "@lease/core/backend";
import type { AcquireCall } from "./calls.js";
import type { Evidence } from "./evidence.js";
import { at, claimsText, named } from "./findings.js";
import { rounded } from "./latest-expiry.js";
import { claimsConflict, inTheWay } from "./overlap.js";
import { judgeShown, leastLeft, roundingOf } from "./shown.js";
import { claimsOf, isQueueing } from "./story.js";
import type { LeaseTimes } from "./times.js";

type Refused = Extract<AcquireResult, { status: "refused" }>;

/** A refusal shows at most so many blockers. */
const MOST_SHOWN = 8;

export function judgeRefusal(evidence: Evidence, call: AcquireCall, answer: Refused): void {
  const { findings } = evidence;
  const { request, logged, from, to } = call;
  const end = evidence.remembered(request.id, from, to);
  if (end !== undefined) {
    const why = `It refuses ${request.id}, whose end has to be remembered until ${at(end.until)}.`;
    findings.forbid("second life", why, logged, end.call);
    return;
  }
  for (const lease of evidence.leasesOf(evidence.story(request.id))) {
    const proof = lease.activeBy < from ? lease.livedThrough(from, to) : null;
    if (proof === null || lease.agentId !== request.agentId) continue;
    const why = `It refuses ${named(lease)}, which is granted and lives until ${at(proof.until)} at least.`;
    findings.forbid("ended early", why, logged, proof.call);
  }
  judgePlace(evidence, call, answer);
  judgeBlockers(evidence, call, answer);
}

/** What the refusal leaves in the queue. */
function judgePlace(evidence: Evidence, call: AcquireCall, { lease }: Refused): void {
  const { findings, limits } = evidence;
  const { request, logged } = call;
  if (lease === null) {
    if (isQueueing(call)) findings.forbid("wrong status", "It does not keep a place in the queue.", logged);
    return;
  }
  if (!isQueueing(call)) {
    findings.forbid("wrong status", "It keeps a place in the queue, which was not asked for.", logged);
    return;
  }
  if (lease.id !== request.id || lease.agentId !== request.agentId || lease.state !== "pending") {
    const why = `${request.agentId} asked for ${request.id} and was shown ${named(lease)} as ${lease.state}.`;
    findings.forbid("wrong owner", why, logged);
    return;
  }
  const least = leastLeft(rounded(request.waitTtlMs, limits), call, limits);
  if (judgeShown(evidence, call, lease, true) !== null && lease.expiresInMs < least) {
    const why = `Its place in the queue has ${lease.expiresInMs} ms left, and at least ${at(least)} are.`;
    findings.forbid("wrong time", why, logged);
  }
}

function judgeBlockers(evidence: Evidence, call: AcquireCall, answer: Refused): void {
  const { findings, limits } = evidence;
  const { request, logged } = call;
  const { blockers, blockerCount, position, retryInMs } = answer;
  if (blockers.length === 0) {
    findings.forbid("refused while free", "It names nothing that is in the way.", logged);
    return;
  }
  if (blockers.length !== Math.min(blockerCount, MOST_SHOWN) || position !== blockerCount + 1) {
    const why = `It shows ${blockers.length} of ${blockerCount} blockers, and the position ${position}.`;
    findings.forbid("wrong blockers", why, logged);
  }
  const ownToken = answer.lease?.token ?? Number.POSITIVE_INFINITY;
  const shown = new Set<LeaseTimes | null>();
  let last = 0;
  for (const blocker of blockers) {
    if (blocker.token <= last) {
      findings.forbid("wrong blockers", "Its blockers are not in the order of their tokens.", logged);
    }
    last = blocker.token;
    if (blocker.id === request.id || blocker.token >= ownToken) {
      const why = `It is refused because of ${named(blocker)}, which is not earlier.`;
      findings.forbid("refused while free", why, logged);
    }
    shown.add(judgeBlocker(evidence, call, blocker));
  }
  const soonest = Math.min(...blockers.map(({ expiresInMs }) => expiresInMs));
  const isAllShown = blockers.length === blockerCount;
  const isTooSoon = isAllShown && retryInMs < soonest - roundingOf(limits);
  if (retryInMs > soonest + roundingOf(limits) || isTooSoon) {
    const why = `It says to try again in ${retryInMs} ms, and a blocker ends in ${soonest}.`;
    findings.forbid("wrong time", why, logged);
  }
  judgeCount(evidence, call, answer, shown);
}

/** It was asked for, can live during the call, and has a claim that is in the way. */
function judgeBlocker(evidence: Evidence, call: AcquireCall, blocker: Blocker): LeaseTimes | null {
  const { findings } = evidence;
  const { request, logged } = call;
  const before = findings.violations.length;
  const times = judgeShown(evidence, call, blocker, false);
  if (times === null) {
    for (const { why, calls } of findings.violations.splice(before)) {
      findings.forbid("refused while free", why, ...calls);
    }
    return null;
  }
  const claims = claimsOf(times.life);
  const claim = claims.find(({ resource, mode }) => resource === blocker.resource && mode === blocker.mode);
  if (claim === undefined || !request.claims.some((our) => claimsConflict(our, claim))) {
    const kind = inTheWay(request.claims, claims) ? "wrong blockers" : "refused while free";
    const why = `It is refused because of ${blocker.mode} "${blocker.resource}" of ${named(blocker)}, which claims ${claimsText(claims)}.`;
    findings.forbid(kind, why, logged, times.enteredCall);
  }
  return times;
}

/** Every lease that was certainly in the way is counted, and shown if it is among the first. */
function judgeCount(
  evidence: Evidence,
  call: AcquireCall,
  { lease, blockers, blockerCount }: Refused,
  shown: ReadonlySet<LeaseTimes | null>,
): void {
  const { findings } = evidence;
  const { request, logged, from, to } = call;
  const atMost = lease?.token ?? Number.POSITIVE_INFINITY;
  const atLeast = lease?.token ?? leastToken(evidence, call);
  const lastShown = blockers.at(-1)?.token ?? 0;
  let possible = 0;
  let certain = 0;
  for (const other of evidence.neighbours.conflicting(request.claims, { from, to })) {
    if (other.id === request.id || other.token >= atMost) continue;
    possible += 1;
    const proof = other.token < atLeast ? other.livedThrough(from, to) : null;
    if (proof === null) continue;
    certain += 1;
    if (shown.has(other) || (blockers.length >= MOST_SHOWN && other.token > lastShown)) continue;
    const why = `It leaves out ${named(other)}, which is in the way until ${at(proof.until)} at least.`;
    findings.forbid("wrong blockers", why, logged, proof.call);
  }
  if (certain === 0) findings.races += 1;
  const most = possible + (blockers.length < blockerCount ? evidence.unseen(to) : 0);
  if (blockerCount < certain || (blockers.length < blockerCount && blockerCount > most)) {
    const why = `It counts ${blockerCount} blockers, and there are from ${certain} to ${most}.`;
    findings.forbid("wrong blockers", why, logged);
  }
}

/** A request that leaves the queue by its refusal had a token until then: only what came before that was in its way. */
function leastToken(evidence: Evidence, { request, from, to }: AcquireCall): number {
  const story = evidence.story(request.id);
  const isUnseen = story.acquires.some(
    (other) => other.answer === null && other.from <= to && isQueueing(other),
  );
  if (isUnseen && story.lives.length === 0) return 0;
  const own = evidence.leasesOf(story).find((lease) => lease.enteredFrom <= to && lease.overBy >= from);
  return own?.token ?? Number.POSITIVE_INFINITY;
}
