/** Judges what `sweep` says it ended. */
import type { SweepCall } from "./calls.js";
import type { Evidence } from "./evidence.js";
import { at, named } from "./findings.js";

export function judgeSweep(evidence: Evidence, { answer, logged, from, to }: SweepCall): void {
  const { findings } = evidence;
  for (const ended of answer?.expired ?? []) {
    const lease = evidence.lease(ended.id, ended.token);
    const lived = lease?.livedBy(to);
    if (lease === undefined || lived === undefined) continue;
    if (lease.enteredBy < from && lived.value > to) {
      const why = `It ended ${named(lease)}, which lives until ${at(lived.value)} at least.`;
      findings.forbid("ended early", why, logged, lived.item.call);
    } else if (lease.goneBy < from) {
      const why = `It ended ${named(lease)}, which was gone by ${at(lease.goneBy)}.`;
      findings.forbid("revived", why, logged, lease.goneCall);
    }
  }
}
