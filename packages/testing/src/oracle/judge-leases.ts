/** Judges what no single answer shows: the rule itself, the order of tokens, and that an id has one life. */
import type { Evidence } from "./evidence.js";
import { at, claimsText, named } from "./findings.js";
import type { LoggedCall } from "./log.js";
import { mayBeForgotten } from "./remembered.js";
import { least } from "./sorted.js";
import { claimsOf } from "./story.js";
import type { LeaseTimes } from "./times.js";

/**
 * The one rule: by the time a lease is granted, every earlier one that is in its way is over.
 *
 * @param call - the first answer that shows it granted; to be asked in the order in which these were sent
 */
export function judgeGrant({ findings, neighbours }: Evidence, lease: LeaseTimes, call: LoggedCall): void {
  const claims = claimsOf(lease.life);
  for (const other of neighbours.conflicting(claims, { from: call.sentAt, to: lease.activeBy })) {
    if (other.id === lease.id || other.token >= lease.token) continue;
    const { lived } = other;
    if (lived === undefined || lived.value <= lease.activeBy) continue;
    const isHeld = other.activeBy <= lease.activeBy;
    const why =
      `${named(lease)} is granted ${claimsText(claims)} by ${at(lease.activeBy)}, and ${named(other)} ` +
      `${isHeld ? "holds" : "is queued for"} ${claimsText(claimsOf(other.life))} until ${at(lived.value)} at least.`;
    findings.forbid(isHeld ? "two holders" : "overtaken", why, call, lived.item.call, other.activeCall);
  }
}

/** A token is given once, and a lease that entered later has a greater one. */
export function judgeTokens({ findings, leases }: Evidence): void {
  const byToken = new Map<number, LeaseTimes>();
  for (const lease of leases) {
    const other = byToken.get(lease.token);
    byToken.set(lease.token, lease);
    const later = least(other === undefined ? [] : [lease, other], ({ enteredBy }) => -enteredBy);
    if (other === undefined || later?.enteredCall === undefined) continue;
    const why = `The token ${lease.token} is that of ${lease.id} and of ${other.id}.`;
    const earlier = later === lease ? other : lease;
    findings.forbid("wrong token", why, later.enteredCall, earlier.enteredCall);
  }
  const shown = leases.filter(({ enteredCall }) => enteredCall !== undefined);
  const byEntry = [...shown].sort((a, b) => a.enteredBy - b.enteredBy);
  let next = 0;
  let greatest: LeaseTimes | undefined;
  for (const lease of [...shown].sort((a, b) => a.enteredFrom - b.enteredFrom)) {
    for (
      let one = byEntry[next];
      one !== undefined && one.enteredBy < lease.enteredFrom;
      one = byEntry[next]
    ) {
      if (greatest === undefined || one.token > greatest.token) greatest = one;
      next += 1;
    }
    if (greatest === undefined || greatest.token <= lease.token || lease.enteredCall === undefined) continue;
    const why = `${named(lease)} was asked for when ${named(greatest)} had entered, and its token is smaller.`;
    findings.forbid("wrong token", why, lease.enteredCall, greatest.enteredCall);
  }
}

/** A lease keeps its token, and an id begins anew only after an end that need not be remembered. */
export function judgeLives(evidence: Evidence): void {
  const { findings, limits } = evidence;
  for (const story of evidence.stories) {
    const leases = evidence.leasesOf(story);
    for (const [index, lease] of leases.entries()) {
      const before = leases[index - 1];
      const lived = before?.lived;
      if (before === undefined || lived === undefined || lease.enteredCall === undefined) continue;
      if (lived.value > lease.enteredBy) {
        const why = `It shows ${named(lease)}, whose token is ${before.token} until ${at(lived.value)} at least.`;
        findings.forbid("wrong token", why, lease.enteredCall, lived.item.call);
      } else if (
        lease.enteredBy < lived.value + limits.endMemoryMs &&
        !mayBeForgotten(story, lease.enteredBy)
      ) {
        const why = `It shows ${named(lease)}, and the end of token ${before.token} of that id has to be remembered.`;
        findings.forbid("second life", why, lease.enteredCall, lived.item.call);
      }
    }
  }
}
