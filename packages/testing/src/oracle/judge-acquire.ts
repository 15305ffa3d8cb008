/** Judges the answers of `acquire`. */
import type { Blocker } from "@lease/core";
import type { AcquireResult } from "@lease/core/backend";
import type { AcquireCall, Denial } from "./calls.js";
import { couldHaveExpired, revokesOf } from "./ends.js";
import type { Evidence } from "./evidence.js";
import { at, claimsText, named } from "./findings.js";
import { claimsConflict, inTheWay } from "./overlap.js";
import { judgeShown, sameClaims } from "./shown.js";
import { claimsOf, isQueueing, mayBeHandedOver } from "./story.js";
import { GRAIN_MS, rounded } from "./times.js";

type Granted = Extract<AcquireResult, { status: "granted" }>;
type Refused = Extract<AcquireResult, { status: "refused" }>;
type Ended = Extract<AcquireResult, { status: "ended" }>;

/** A refusal lists at most so many blockers. */
const MOST_BLOCKERS = 8;

export function judgeAcquire(evidence: Evidence, call: AcquireCall): void {
  const { answer } = call;
  if (answer === null) return;
  if (answer.status === "granted") judgeGranted(evidence, call, answer);
  else if (answer.status === "refused") judgeRefused(evidence, call, answer);
  else judgeEnded(evidence, call, answer);
}

function judgeGranted(evidence: Evidence, call: AcquireCall, { lease, repeated }: Granted): void {
  const { findings, limits } = evidence;
  const { request, logged, from, to } = call;
  if (lease.id !== request.id || lease.agentId !== request.agentId) {
    const why = `${request.agentId} asked for ${request.id} and was given ${named(lease)}.`;
    findings.forbid("wrong owner", why, logged);
    return;
  }
  if (lease.state !== "active") {
    findings.forbid("wrong status", `It grants ${named(lease)} as ${lease.state}.`, logged);
    return;
  }
  if (!sameClaims(lease.claims, request.claims)) {
    const why = `${claimsText(request.claims)} was asked for, and ${claimsText(lease.claims)} given.`;
    findings.forbid("wrong picture", why, logged);
  }
  const times = judgeShown(evidence, call, lease, true);
  if (times === null) return;
  const others = times.life.story.acquires.filter((other) => other !== call && other.from <= to);
  if (repeated) {
    const granting = others.find(({ answer }) => answer === null || answer.status !== "ended");
    if (granting === undefined) {
      findings.forbid(
        "wrong status",
        `It repeats the grant of ${named(lease)}, and nothing granted it.`,
        logged,
      );
    }
    return;
  }
  const before = times.life.story.acquires.find(
    ({ answer, to: answeredAt }) =>
      answer?.status === "granted" && answer.lease.token === lease.token && answeredAt < from,
  );
  if (before !== undefined) {
    findings.forbid(
      "wrong status",
      `It grants ${named(lease)} once more, and does not say repeated.`,
      logged,
      before.logged,
    );
  }
  // Handed over before, it has less left.
  const least = lease.ttlMs - (to - from) - GRAIN_MS - (limits.ttlStepMs > 1 ? limits.ttlStepMs : 0);
  if (lease.expiresInMs < least && ![call, ...others].some(mayBeHandedOver)) {
    const why = `It grants ${named(lease)} for ${lease.expiresInMs} ms, and at least ${at(least)} must be left of its TTL.`;
    findings.forbid("wrong time", why, logged);
  }
}

function judgeRefused(evidence: Evidence, call: AcquireCall, answer: Refused): void {
  const { findings } = evidence;
  const { request, logged, from, to } = call;
  const remembered = evidence.remembered(request.id, from, to);
  if (remembered !== undefined) {
    const why = `It refuses ${request.id}, whose end has to be remembered until ${at(remembered.until)}.`;
    findings.forbid("second life", why, logged, remembered.call);
    return;
  }
  judgePlace(evidence, call, answer);
  for (const life of evidence.livesOf(evidence.story(request.id))) {
    const proof = life.activeBy < from ? life.livedThrough(from, to) : null;
    if (proof === null || life.agentId !== request.agentId) continue;
    const why = `It refuses ${request.id}, which is granted (token ${life.token}) and lives until ${at(proof.until)} at least.`;
    findings.forbid("ended early", why, logged, proof.call);
  }
  judgeBlockers(evidence, call, answer);
}

/** What it leaves in the queue. */
function judgePlace(evidence: Evidence, call: AcquireCall, { lease }: Refused): void {
  const { findings, limits } = evidence;
  const { request, logged, from, to } = call;
  if ((lease !== null) !== isQueueing(call)) {
    const why =
      lease === null ? "It does not keep its place in the queue." : "It stays in the queue, and was not to.";
    findings.forbid("wrong status", why, logged);
    return;
  }
  if (lease === null) return;
  if (lease.id !== request.id || lease.agentId !== request.agentId || lease.state !== "pending") {
    const why = `${request.agentId} asked for ${request.id} and was shown ${named(lease)} as ${lease.state}.`;
    findings.forbid("wrong owner", why, logged);
    return;
  }
  if (judgeShown(evidence, call, lease, true) === null) return;
  const least =
    rounded(request.waitTtlMs, limits) -
    (to - from) -
    GRAIN_MS -
    (limits.ttlStepMs > 1 ? limits.ttlStepMs : 0);
  if (lease.expiresInMs < least) {
    const why = `Its place lives for ${lease.expiresInMs} ms more, and at least ${at(least)} must be left.`;
    findings.forbid("wrong time", why, logged);
  }
}

function judgeBlockers(evidence: Evidence, call: AcquireCall, answer: Refused): void {
  const { findings, limits } = evidence;
  const { request, logged, from, to } = call;
  const { blockers, blockerCount, position, retryInMs } = answer;
  if (blockers.length === 0) {
    findings.forbid("refused while free", "It is refused, and nothing is named that is in its way.", logged);
    return;
  }
  const wrong = (why: string, ...others: Parameters<typeof findings.forbid>[2][]) =>
    findings.forbid("wrong blockers", why, logged, ...others);
  if (blockers.length !== Math.min(blockerCount, MOST_BLOCKERS) || position !== blockerCount + 1) {
    wrong(`It names ${blockers.length} of ${blockerCount} blockers, and position ${position}.`);
  }
  const own = answer.lease?.token ?? Number.POSITIVE_INFINITY;
  const shown = new Set<unknown>();
  let last = 0;
  for (const blocker of blockers) {
    if (blocker.token <= last) wrong("Its blockers are not in order of their tokens.");
    last = blocker.token;
    shown.add(judgeBlocker(evidence, call, blocker, own));
  }
  const soonest = Math.min(...blockers.map(({ expiresInMs }) => expiresInMs));
  const roundedBy = limits.ttlStepMs > 1 ? limits.ttlStepMs : 0;
  if (
    retryInMs > soonest + roundedBy ||
    (blockers.length === blockerCount && retryInMs < soonest - roundedBy)
  ) {
    findings.forbid(
      "wrong time",
      `It says to try again in ${retryInMs} ms, and a blocker ends in ${soonest}.`,
      logged,
    );
  }
  const ownLeast = leastToken(evidence, call, answer);
  let possible = 0;
  let certain = 0;
  for (const life of evidence.neighbours.conflicting(request.claims, { from, to })) {
    if (life.token >= own || life.id === request.id) continue;
    possible += 1;
    const proof = life.token < ownLeast ? life.livedThrough(from, to) : null;
    if (proof === null) continue;
    certain += 1;
    const isLeftOut = !shown.has(life) && (blockers.length < MOST_BLOCKERS || life.token < last);
    if (isLeftOut)
      wrong(`It leaves out ${named(life)}, which is in its way until ${at(proof.until)}.`, proof.call);
  }
  if (blockerCount < certain) wrong(`It counts ${blockerCount} blockers, and there are ${certain}.`);
  if (blockers.length < blockerCount && blockerCount > possible + evidence.unseen(to)) {
    wrong(`It counts ${blockerCount} blockers, and there can be ${possible}.`);
  }
}

/** What is not queued any more may have had its place until now, and only what came before that was in its way. */
function leastToken(evidence: Evidence, { request, from, to }: AcquireCall, { lease }: Refused): number {
  if (lease !== null) return lease.token;
  const story = evidence.story(request.id);
  const isUnseen = story.acquires.some(
    (other) => other.answer === null && other.from <= to && isQueueing(other),
  );
  if (isUnseen && story.lives.length === 0) return 0;
  const own = evidence.livesOf(story).find((life) => life.enteredFrom <= to && life.latestEnd >= from);
  return own?.token ?? Number.POSITIVE_INFINITY;
}

function judgeBlocker(evidence: Evidence, call: AcquireCall, blocker: Blocker, own: number): unknown {
  const { findings } = evidence;
  const { request, logged } = call;
  const free = (why: string) => findings.forbid("refused while free", why, logged);
  if (blocker.id === request.id) free(`It is refused because of itself, ${named(blocker)}.`);
  else if (blocker.token >= own) free(`It is refused because of ${named(blocker)}, which came later.`);
  const before = findings.violations.length;
  const times = judgeShown(evidence, call, blocker, false);
  if (times === null) {
    const reason = findings.violations.splice(before);
    for (const { why, calls } of reason) findings.forbid("refused while free", why, ...calls);
    return null;
  }
  const claims = claimsOf(times.life);
  const claim = claims.find(({ resource, mode }) => resource === blocker.resource && mode === blocker.mode);
  if (claim === undefined || !request.claims.some((our) => claimsConflict(our, claim))) {
    const why = `It names ${blocker.mode} "${blocker.resource}" of ${named(blocker)}, which claims ${claimsText(claims)}.`;
    findings.forbid(
      inTheWay(request.claims, claims) ? "wrong blockers" : "refused while free",
      why,
      logged,
      times.enteredCall,
    );
  }
  return times;
}

function judgeEnded(evidence: Evidence, call: AcquireCall, { end, by, reason }: Ended): void {
  const { findings } = evidence;
  const { request, logged, from, to } = call;
  const story = evidence.story(request.id);
  const lives = evidence.livesOf(story);
  for (const life of lives) {
    const proven = life.provenUntil(to);
    if (proven === undefined || life.enteredBy >= from || proven.value <= to) continue;
    const why = `It says that ${named(life)} ${end}, which lives until ${at(proven.value)} at least.`;
    findings.forbid("ended early", why, logged, proven.item.call);
    return;
  }
  const abandons = story.releases.filter(({ request, from }) => request.kind === "abandon" && from <= to);
  const isExplained =
    end === "expired"
      ? couldHaveExpired(evidence, story, to)
      : end === "revoked"
        ? revokesOf(story, to).some(({ request }) => request.by === by && request.reason === reason)
        : abandons.length > 0;
  if (!isExplained)
    findings.forbid("unexplained end", `It says that ${request.id} ${end}, and nothing did that.`, logged);
}

/** An acquire that the store refused as a request. */
export function judgeDenial(evidence: Evidence, { request, code, logged, to }: Denial): boolean {
  const { findings } = evidence;
  const story = evidence.story(request.id);
  const asked = story.acquires.filter(({ from }) => from <= to);
  if (code === "INVALID_ARGUMENT") {
    const others = asked.filter(({ request: other }) => !sameClaims(other.claims, request.claims));
    // Otherwise something else may be wrong with it, which is not the oracle's to say.
    return others.length > 0;
  }
  const isOthers =
    asked.some(({ request: other }) => other.agentId !== request.agentId) ||
    story.releases.some(
      ({ request: other, from }) =>
        other.kind === "abandon" && other.agentId !== request.agentId && from <= to,
    );
  if (!isOthers)
    findings.forbid(
      "wrong owner",
      `It says that ${request.id} belongs to another agent, and nobody else used it.`,
      logged,
    );
  return true;
}
