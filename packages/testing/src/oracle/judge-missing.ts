/** Judges answers by which a lease is not there, or belongs to another: of `renew` and of `release`. */
import type { ReleaseCall, RenewCall } from "./calls.js";
import { couldHaveExpired } from "./ends.js";
import type { Evidence } from "./evidence.js";
import { at, named } from "./findings.js";

/** @param status - `expired`, or `not-found` after any other end */
export function judgeMissing(
  evidence: Evidence,
  call: RenewCall | ReleaseCall,
  status: "expired" | "not-found",
): void {
  const { findings, story } = evidence;
  const { request, logged, from, to } = call;
  const of = story(request.id);
  for (const life of evidence.livesOf(of)) {
    const proven = life.provenUntil(to);
    if (proven === undefined || life.enteredBy >= from || proven.value <= to) continue;
    const why = `It says "${status}" of ${named(life)}, which lives until ${at(proven.value)} at least.`;
    findings.forbid("ended early", why, logged, proven.item.call);
    return;
  }
  if (status === "expired") {
    if (couldHaveExpired(evidence, of, to)) return;
    findings.forbid(
      "unexplained end",
      `It says that ${request.id} expired, and its time was not over.`,
      logged,
    );
    return;
  }
  const end = evidence.remembered(request.id, from, to);
  if (end === undefined || end.end === "any" || !("renewal" in request || logged.operation === "renew"))
    return;
  const why = `It says "not-found" of ${request.id}, whose end (${end.end}) has to be remembered until ${at(end.until)}.`;
  findings.forbid("second life", why, logged, end.call);
}

/** It belongs to another agent, or the token given is none of its own. */
export function judgeNotOwner(evidence: Evidence, call: RenewCall | ReleaseCall): void {
  const { request, logged, to } = call;
  const { findings, story } = evidence;
  const of = story(request.id);
  if (isRevoke(call)) {
    findings.forbid(
      "wrong owner",
      `It says that ${request.id} is not its own, of which a revoke does not ask.`,
      logged,
    );
    return;
  }
  const agentId = "agentId" in request ? request.agentId : "";
  const token = "token" in request ? request.token : undefined;
  const hasOtherAgent =
    of.acquires.some((one) => one.request.agentId !== agentId && one.from <= to) ||
    of.releases.some(
      (one) => one.request.kind === "abandon" && one.request.agentId !== agentId && one.from <= to,
    );
  const isOtherToken = token !== undefined && (of.lives.length !== 1 || of.lives[0]?.token !== token);
  if (hasOtherAgent || isOtherToken) return;
  const why = `It says that ${request.id} does not belong to ${agentId}, and nobody else used it.`;
  findings.forbid("wrong owner", why, logged, of.acquires[0]?.logged);
}

function isRevoke(call: RenewCall | ReleaseCall): boolean {
  return "kind" in call.request && call.request.kind === "revoke";
}
