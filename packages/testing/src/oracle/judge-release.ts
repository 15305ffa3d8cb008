/** Judges the answers of `release`. */
import type { ReleaseCall } from "./calls.js";
import { leaseMeant } from "./ends.js";
import type { Evidence } from "./evidence.js";
import { at, named } from "./findings.js";
import { judgeMissing, judgeNotOwner } from "./judge-missing.js";
import type { LifeTimes } from "./times.js";

/** By what was asked, the answers that can come. */
const ANSWERS = {
  release: ["released", "cancelled", "not-owner", "not-found"],
  abandon: ["released", "cancelled", "not-owner", "not-found"],
  revoke: ["revoked", "revoking", "not-found"],
};

export function judgeRelease(evidence: Evidence, call: ReleaseCall): void {
  const { request, answer, logged } = call;
  if (answer === null) return;
  if (!ANSWERS[request.kind].includes(answer.status)) {
    const why = `It answers a ${request.kind} with "${answer.status}".`;
    evidence.findings.forbid("wrong status", why, logged);
  } else if (answer.status === "not-owner") {
    judgeNotOwner(evidence, call);
  } else if (answer.status === "not-found") {
    judgeMissing(evidence, call, "not-found");
  } else {
    judgeEnded(evidence, call);
    const life = leaseMeant(evidence, call);
    if (life !== undefined) judgeManner(evidence, call, life, answer.status);
  }
}

/** Whether a lease in its state ends in that way. */
function judgeManner({ findings }: Evidence, call: ReleaseCall, life: LifeTimes, status: string): void {
  const { request, logged, from } = call;
  const isActive = life.activeBy < from;
  const grantedBy = `${named(life)}, which was granted by ${at(life.activeBy)}`;
  if (status === "cancelled" && isActive) {
    const why = `It takes out of the queue ${grantedBy}.`;
    findings.forbid("wrong status", why, logged, life.activeCall);
  }
  if (request.kind !== "revoke") return;
  if (status === "revoking" && request.graceMs === 0) {
    findings.forbid("wrong status", "It begins a soft revoke, and no grace was given.", logged);
  }
  if (status === "revoked" && request.graceMs > 0 && isActive) {
    const why = `It ends at once, instead of after a grace of ${request.graceMs} ms, ${grantedBy}.`;
    findings.forbid("ended early", why, logged, life.activeCall);
  }
}

/** There must be a lease that it can have ended, of the agent that asks. */
function judgeEnded(evidence: Evidence, call: ReleaseCall): void {
  const { findings } = evidence;
  const { request, logged, from, to } = call;
  const story = evidence.story(request.id);
  const does = `${request.kind === "revoke" ? request.by : request.agentId}'s ${request.kind} of ${request.id} is answered "${call.answer?.status}"`;
  const asked = story.acquires.filter(({ from: sentAt }) => sentAt <= to);
  if (asked.length === 0) {
    findings.forbid("wrong picture", `${does}, and it was never asked for.`, logged);
    return;
  }
  const isOwner = ({ agentId }: { readonly agentId: string }) =>
    request.kind === "revoke" || request.agentId === agentId;
  if (!asked.some((acquire) => isOwner(acquire.request))) {
    findings.forbid("wrong owner", `${does}, and it is another agent's.`, logged, asked[0]?.logged);
    return;
  }
  const token = request.kind === "release" ? request.token : undefined;
  const lives = evidence.livesOf(story).filter((life) => token === undefined || life.token === token);
  const unseen = asked.some(({ answer, request: acquire }) => answer === null && isOwner(acquire));
  if (lives.length === 0) {
    if (!unseen)
      findings.forbid("wrong token", `${does}, and no lease of it has the token ${token}.`, logged);
    return;
  }
  if (!lives.some(isOwner)) {
    findings.forbid("wrong owner", `${does}, and it is another agent's.`, logged, lives[0]?.enteredCall);
    return;
  }
  const possible = lives.filter((life) => isOwner(life) && life.latestEnd >= from && life.enteredFrom <= to);
  if (possible.length === 0 && !(unseen && token === undefined)) {
    const [life] = lives;
    const why = `${does}, and ${life && named(life)} was over by ${at(life?.latestEnd ?? 0)}.`;
    findings.forbid("revived", why, logged, life?.goneCall);
  }
}
