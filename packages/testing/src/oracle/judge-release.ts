/** Judges the answers of `release`. */
import type { ReleaseCall } from "./calls.js";
import { leaseMeant } from "./ends.js";
import type { Evidence } from "./evidence.js";
import { at, named } from "./findings.js";
import { judgeNotFound, judgeNotOwner } from "./judge-missing.js";

const OF_OWN = ["released", "cancelled", "not-owner", "not-found"];
const OF_OTHERS = ["revoked", "revoking", "not-found"];

export function judgeRelease(evidence: Evidence, call: ReleaseCall): void {
  const { request, answer, logged } = call;
  if (answer === null) return;
  const { status } = answer;
  if (!(request.kind === "revoke" ? OF_OTHERS : OF_OWN).includes(status)) {
    evidence.findings.forbid("wrong status", `It answers a ${request.kind} with "${status}".`, logged);
  } else if (status === "not-owner") {
    judgeNotOwner(evidence, call);
  } else if (status === "not-found") {
    judgeNotFound(evidence, call);
  } else {
    judgeEnd(evidence, call, status);
    judgeManner(evidence, call, status);
  }
}

/** There was a lease that it can have ended, of the agent that asked for its end. */
function judgeEnd(evidence: Evidence, call: ReleaseCall, status: string): void {
  const { findings } = evidence;
  const { request, logged, from, to } = call;
  const story = evidence.story(request.id);
  const says = `The ${request.kind} of ${request.id} is answered "${status}",`;
  const asked = story.acquires.filter(({ from: sentAt }) => sentAt <= to);
  if (asked.length === 0) {
    findings.forbid("wrong picture", `${says} and that id was never asked for.`, logged);
    return;
  }
  const isOwn = ({ agentId }: { readonly agentId: string }): boolean =>
    request.kind === "revoke" || request.agentId === agentId;
  const leases = evidence.leasesOf(story);
  if (!asked.some((acquire) => isOwn(acquire.request)) || (leases.length > 0 && !leases.some(isOwn))) {
    findings.forbid("wrong owner", `${says} and it is another agent's.`, logged, asked[0]?.logged);
    return;
  }
  const token = request.kind === "release" ? request.token : undefined;
  const meant = leases.filter((lease) => isOwn(lease) && (token === undefined || lease.token === token));
  const mayBeUnseen = asked.some((acquire) => acquire.answer === null && isOwn(acquire.request));
  if (meant.some((lease) => lease.overBy >= from && lease.enteredFrom <= to)) return;
  if (mayBeUnseen && (token === undefined || meant.length === 0)) return;
  const last = meant.at(-1);
  if (last === undefined) {
    findings.forbid("wrong token", `${says} and no lease of it has the token ${token}.`, logged);
    return;
  }
  findings.forbid(
    "revived",
    `${says} and ${named(last)} was over by ${at(last.overBy)}.`,
    logged,
    last.goneCall,
  );
}

/** A lease in its state ends in that way. */
function judgeManner(evidence: Evidence, call: ReleaseCall, status: string): void {
  const { findings } = evidence;
  const { request, logged, from } = call;
  if (status === "revoking" && request.kind === "revoke" && request.graceMs === 0) {
    findings.forbid("wrong status", "It begins a soft revoke, and no grace was given.", logged);
  }
  const lease = leaseMeant(evidence, call);
  if (lease === undefined || lease.activeBy >= from) return;
  const granted = `${named(lease)}, which was granted by ${at(lease.activeBy)}`;
  if (status === "cancelled") {
    findings.forbid("wrong status", `It takes out of the queue ${granted}.`, logged, lease.activeCall);
  }
  if (status === "revoked" && request.kind === "revoke" && request.graceMs > 0) {
    const why = `It ends at once, and not after a grace of ${request.graceMs} ms, ${granted}.`;
    findings.forbid("ended early", why, logged, lease.activeCall);
  }
}
