/** Judges the answers of `renew` and `release` by which a lease is not there, or belongs to another. */
import type { ReleaseCall, RenewCall } from "./calls.js";
import { couldHaveExpired, livingOn } from "./ends.js";
import type { Evidence } from "./evidence.js";
import { at, named } from "./findings.js";

/** `expired`: its time was over. */
export function judgeExpired(evidence: Evidence, call: RenewCall): void {
  const { findings } = evidence;
  const story = evidence.story(call.request.id);
  if (judgeGone(evidence, call) || couldHaveExpired(evidence, story, call.to)) return;
  const why = `It says that ${call.request.id} expired, and its time was not over.`;
  findings.forbid("unexplained end", why, call.logged);
}

/** `not-found`: it ended otherwise, or so long ago that it is forgotten. */
export function judgeNotFound(evidence: Evidence, call: RenewCall | ReleaseCall): void {
  const { findings } = evidence;
  const { request, logged, from, to } = call;
  if (judgeGone(evidence, call) || logged.operation !== "renew") return;
  const end = evidence.remembered(request.id, from, to);
  if (end === undefined || end.end === null) return;
  const why = `It does not know ${request.id}, which ${end.end} and has to be remembered until ${at(end.until)}.`;
  findings.forbid("second life", why, logged, end.call);
}

/** Returns whether it is forbidden. */
function judgeGone(evidence: Evidence, call: RenewCall | ReleaseCall): boolean {
  const living = livingOn(evidence, evidence.story(call.request.id), call);
  if (living === null) return false;
  const { lease, proof } = living;
  const why = `It says that ${named(lease)} is gone, which lives until ${at(proof.until)} at least.`;
  evidence.findings.forbid("ended early", why, call.logged, proof.call);
  return true;
}

/** `not-owner`: it is another agent's, or has another token. */
export function judgeNotOwner(evidence: Evidence, call: RenewCall | ReleaseCall): void {
  const { request, logged, to } = call;
  const { acquires, releases, lives } = evidence.story(request.id);
  // A revoke asks for no owner, and is never answered so.
  const agentId = "agentId" in request ? request.agentId : null;
  const isOthers =
    acquires.some((other) => other.request.agentId !== agentId && other.from <= to) ||
    releases.some(
      (other) => other.request.kind === "abandon" && other.request.agentId !== agentId && other.from <= to,
    );
  const token = "token" in request ? request.token : undefined;
  const mayHaveOtherToken = token !== undefined && (lives.length !== 1 || lives[0]?.token !== token);
  if (isOthers || mayHaveOtherToken) return;
  const why = `It says that ${request.id} does not belong to ${agentId}, and no other agent used it.`;
  evidence.findings.forbid("wrong owner", why, logged, acquires[0]?.logged);
}
