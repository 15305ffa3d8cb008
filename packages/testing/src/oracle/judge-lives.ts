/** Judges what no single answer shows: the order of leases, their tokens, and that an id lives once. */
import type { Evidence } from "./evidence.js";
import { at, claimsText, named } from "./findings.js";
import type { LoggedCall } from "./log.js";
import { mayBeForgotten } from "./remembered.js";
import { claimsOf } from "./story.js";
import type { LifeTimes } from "./times.js";

/** The one rule, of a lease that was granted: every earlier lease in its way was over by then. In order of time. */
export function judgeGrant(evidence: Evidence, life: LifeTimes, call: LoggedCall): void {
  const { findings, neighbours } = evidence;
  const span = { from: call.sentAt, to: life.activeBy };
  for (const other of neighbours.conflicting(claimsOf(life.life), span)) {
    if (other.id === life.id || other.token >= life.token) continue;
    const proven = other.provenUntil();
    if (proven === undefined || proven.value <= life.activeBy) continue;
    const isHeld = other.activeBy <= life.activeBy;
    const why =
      `${named(life)} was granted ${claimsText(claimsOf(life.life))} by ${at(life.activeBy)}, and ${named(other)} ` +
      `${isHeld ? "holds" : "waits for"} ${claimsText(claimsOf(other.life))} until ${at(proven.value)} at least.`;
    findings.forbid(isHeld ? "two holders" : "overtaken", why, call, proven.item.call, other.activeCall);
  }
}

/** Who entered later has the greater token, and each token is one lease's. */
export function judgeTokens({ findings, lives }: Evidence): void {
  const byToken = new Map<number, LifeTimes>();
  for (const life of lives) {
    const other = byToken.get(life.token);
    if (other !== undefined) {
      const why = `Token ${life.token} was given to ${named(life)} and to ${named(other)}.`;
      const [first, second] = other.enteredBy < life.enteredBy ? [other, life] : [life, other];
      if (second.enteredCall !== undefined)
        findings.forbid("wrong token", why, second.enteredCall, first.enteredCall);
    }
    byToken.set(life.token, life);
  }
  const entered = lives.filter(({ enteredBy }) => enteredBy < Number.POSITIVE_INFINITY);
  const byShown = [...entered].sort((a, b) => a.enteredBy - b.enteredBy);
  const byAsked = [...entered].sort((a, b) => a.enteredFrom - b.enteredFrom);
  let next = 0;
  let greatest: LifeTimes | undefined;
  for (const life of byAsked) {
    for (
      let one = byShown[next];
      one !== undefined && one.enteredBy < life.enteredFrom;
      one = byShown[next]
    ) {
      if (greatest === undefined || one.token > greatest.token) greatest = one;
      next += 1;
    }
    if (greatest === undefined || greatest.token < life.token || life.enteredCall === undefined) continue;
    const why = `${named(life)} was asked for after ${named(greatest)} had been shown, and has no greater token.`;
    findings.forbid("wrong token", why, life.enteredCall, greatest.enteredCall);
  }
}

/** A lease keeps its token, and its id begins anew only after an end that need not be remembered. */
export function judgeLives(evidence: Evidence): void {
  const { findings, limits, stories } = evidence;
  for (const story of stories) {
    const lives = evidence.livesOf(story);
    for (const [index, life] of lives.entries()) {
      const before = lives[index - 1];
      const call = life.enteredCall;
      const proven = before?.provenUntil();
      if (before === undefined || call === undefined || proven === undefined) continue;
      if (proven.value > life.enteredBy) {
        const why = `It shows ${named(life)}, whose token is ${before.token} until ${at(proven.value)} at least.`;
        findings.forbid("wrong token", why, call, proven.item.call);
      } else if (
        life.enteredBy < proven.value + limits.endMemoryMs &&
        evidence.options.endsEarly !== true &&
        !mayBeForgotten(story, life.enteredBy)
      ) {
        const why = `It shows ${named(life)}, a second life of an id that was neither released nor forgotten.`;
        findings.forbid("second life", why, call, proven.item.call);
      }
    }
  }
}
