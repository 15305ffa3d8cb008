/** Judges the pages of `list`, and what `sweep` says it ended. */
import type { LeaseQuery } from "@lease/core/backend";
import type { ListCall, SweepCall } from "./calls.js";
import type { Evidence } from "./evidence.js";
import { at, named } from "./findings.js";
import { overlap } from "./overlap.js";
import { judgeShown } from "./shown.js";
import { claimsOf } from "./story.js";
import type { LifeTimes } from "./times.js";

/** Leases on a page unless the query says otherwise. */
const USUAL_PAGE = 100;

export class ListJudge {
  readonly #evidence: Evidence;
  /** Where the page after a `next` begins: behind the last token of the page that gave it. */
  readonly #starts = new Map<string, number>();

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
    for (const { answer, request } of evidence.calls.lists) {
      if (answer === null || answer.next === null) continue;
      const last = answer.leases.at(-1)?.token ?? this.#starts.get(request.after ?? "");
      if (last !== undefined) this.#starts.set(answer.next, last);
    }
  }

  /** In order of time. Returns whether there was something to go by. */
  judge(call: ListCall): boolean {
    const { answer, request, logged, from, to } = call;
    const { findings, neighbours } = this.#evidence;
    if (answer === null) return false;
    const start = request.after === undefined ? 0 : this.#starts.get(request.after);
    const wrong = (why: string) => findings.forbid("wrong picture", why, logged);
    if (answer.leases.length > (request.limit ?? USUAL_PAGE))
      wrong(`It shows ${answer.leases.length} leases on a page.`);
    const shown = new Set<LifeTimes | null>();
    let last = start ?? 0;
    for (const lease of answer.leases) {
      if (lease.token <= last) wrong(`It shows ${named(lease)} behind token ${last}.`);
      last = lease.token;
      const times = judgeShown(this.#evidence, call, lease, false);
      shown.add(times);
      if (times !== null && !matches(times, request))
        wrong(`It shows ${named(lease)}, which was not asked for.`);
      if (request.state !== undefined && lease.state !== request.state)
        wrong(`It shows ${named(lease)} as ${lease.state}.`);
    }
    if (start === undefined) return false;
    const end = answer.next === null ? Number.POSITIVE_INFINITY : last;
    const all =
      request.resource === undefined
        ? neighbours.all({ from, to })
        : neighbours.overlapping(request.resource, { from, to });
    for (const life of all) {
      if (shown.has(life) || life.token <= start || life.token > end || !matches(life, request)) continue;
      const proof = life.livedThrough(from, to);
      if (proof === null || !isSurelyIn(life, request, call)) continue;
      const why = `It does not show ${named(life)}, which lives until ${at(proof.until)} at least.`;
      findings.forbid("wrong picture", why, logged, proof.call);
    }
    return true;
  }
}

function matches(life: LifeTimes, { ids, agentId, resource }: LeaseQuery): boolean {
  if (ids !== undefined && !ids.includes(life.id)) return false;
  if (agentId !== undefined && agentId !== life.agentId) return false;
  return resource === undefined || claimsOf(life.life).some((claim) => overlap(claim.resource, resource));
}

/** Whether it was in the state that is asked for all the time. */
function isSurelyIn(life: LifeTimes, { state }: LeaseQuery, { from, to }: ListCall): boolean {
  if (state === undefined) return true;
  if (state === "active") return life.activeBy < from;
  return life.life.sightings.some((one) => one.state === "pending" && one.from > to);
}

export function judgeSweep(evidence: Evidence, { answer, logged, from, to }: SweepCall): void {
  const { findings, life } = evidence;
  for (const lease of answer?.expired ?? []) {
    const times = life(lease.id, lease.token);
    const proven = times?.provenUntil(to);
    if (times === undefined || proven === undefined) continue;
    if (times.enteredBy < from && proven.value > to) {
      const why = `It ended ${named(lease)}, which lives until ${at(proven.value)} at least.`;
      findings.forbid("ended early", why, logged, proven.item.call);
    } else if (times.goneBy < from) {
      const why = `It ended ${named(lease)}, which was gone by ${at(times.goneBy)}.`;
      findings.forbid("revived", why, logged, times.goneCall);
    }
  }
}
