/** Judges the answers of `acquire`, but for refusals. */
import type { AcquireResult } from "@lease/core/backend";
import type { AcquireCall, Denial } from "./calls.js";
import { couldHaveExpired, livingOn, revokesOf } from "./ends.js";
import type { Evidence } from "./evidence.js";
import { at, claimsText, named } from "./findings.js";
import { judgeRefusal } from "./judge-refusal.js";
import { judgeShown, leastLeft, sameClaims } from "./shown.js";
import { claimsOf, mayBeHandedOver } from "./story.js";

type Granted = Extract<AcquireResult, { status: "granted" }>;
type Ended = Extract<AcquireResult, { status: "ended" }>;

export function judgeAcquire(evidence: Evidence, call: AcquireCall): void {
  const { answer } = call;
  if (answer?.status === "granted") judgeGranted(evidence, call, answer);
  if (answer?.status === "refused") judgeRefusal(evidence, call, answer);
  if (answer?.status === "ended") judgeEnded(evidence, call, answer);
}

/** What is granted is what was asked for, to the agent that asked. Whether it may be granted is the rule's to say. */
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
    const why = `It grants ${claimsText(lease.claims)}, and ${claimsText(request.claims)} was asked for.`;
    findings.forbid("wrong picture", why, logged);
  }
  const times = judgeShown(evidence, call, lease, true);
  if (times === null) return;
  const { acquires } = times.life.story;
  if (repeated) {
    const mayHaveGranted = acquires.some(
      (other) => other !== call && other.from <= to && other.answer?.status !== "ended",
    );
    if (!mayHaveGranted) {
      findings.forbid(
        "wrong status",
        `It repeats the grant of ${named(lease)}, and nothing granted it.`,
        logged,
      );
    }
    return;
  }
  const before = acquires.find(
    ({ answer, to: answeredAt }) =>
      answer?.status === "granted" && answer.lease.token === lease.token && answeredAt < from,
  );
  if (before !== undefined) {
    const why = `It grants ${named(lease)} once more, and does not say that it repeats a grant.`;
    findings.forbid("wrong status", why, logged, before.logged);
  }
  const least = leastLeft(lease.ttlMs, call, limits);
  // What another's step handed over has less left when its agent is shown it.
  if (lease.expiresInMs < least && !acquires.some((other) => other.from <= to && mayBeHandedOver(other))) {
    const why = `It grants ${named(lease)} for ${lease.expiresInMs} ms, and at least ${at(least)} of its TTL are left.`;
    findings.forbid("wrong time", why, logged);
  }
  for (const other of evidence.neighbours.conflicting(claimsOf(times.life), { from, to })) {
    if (other.id === times.id || other.token > times.token) continue;
    findings.races += 1;
    return;
  }
}

function judgeEnded(evidence: Evidence, call: AcquireCall, { end, by, reason }: Ended): void {
  const { findings } = evidence;
  const { request, logged, to } = call;
  const story = evidence.story(request.id);
  const living = livingOn(evidence, story, call);
  if (living !== null) {
    const why = `It says that ${named(living.lease)} ${end}, which lives until ${at(living.proof.until)} at least.`;
    findings.forbid("ended early", why, logged, living.proof.call);
    return;
  }
  if (isExplained()) return;
  findings.forbid(
    "unexplained end",
    `It says that ${request.id} ${end}, and nothing in the log did that.`,
    logged,
  );

  function isExplained(): boolean {
    if (end === "expired") return couldHaveExpired(evidence, story, to);
    if (end === "revoked") {
      return revokesOf(story, to).some((call) => call.request.by === by && call.request.reason === reason);
    }
    return story.releases.some((call) => call.request.kind === "abandon" && call.from <= to);
  }
}

/** An acquire that the store refused as a request. Returns whether there was something to go by. */
export function judgeDenial(evidence: Evidence, { request, code, logged, to }: Denial): boolean {
  const { findings } = evidence;
  const { acquires, releases } = evidence.story(request.id);
  const asked = acquires.filter(({ from }) => from <= to);
  if (code === "INVALID_ARGUMENT") {
    // Without another request of that id, something else is wrong with this one.
    return asked.some((other) => !sameClaims(other.request.claims, request.claims));
  }
  const isOthers =
    asked.some((other) => other.request.agentId !== request.agentId) ||
    releases.some(
      (other) =>
        other.request.kind === "abandon" && other.request.agentId !== request.agentId && other.from <= to,
    );
  if (!isOthers) {
    const why = `It says that ${request.id} belongs to another agent, and no other used it.`;
    findings.forbid("wrong owner", why, logged);
  }
  return true;
}
