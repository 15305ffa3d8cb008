/** Judges the pages of `list`. */
import type { LeaseQuery } from "@lease/core/backend";
import type { ListCall } from "./calls.js";
import type { Evidence } from "./evidence.js";
import { at, named } from "./findings.js";
import { overlap } from "./overlap.js";
import { judgeShown } from "./shown.js";
import { claimsOf } from "./story.js";
import type { LeaseTimes } from "./times.js";

/** A page has at most so many leases unless the query says otherwise. */
const USUAL_PAGE = 100;

export class ListJudge {
  readonly #evidence: Evidence;
  /** The page after a `next` begins behind the last token of the page that gave it. */
  readonly #startOf = new Map<string, number>();

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
    for (const { answer, request } of evidence.calls.lists) {
      if (answer === null || answer.next === null) continue;
      const last = answer.leases.at(-1)?.token ?? this.#startOf.get(request.after ?? "");
      if (last !== undefined) this.#startOf.set(answer.next, last);
    }
  }

  /** To be asked in the order in which they were sent. Returns whether there was something to go by. */
  judge(call: ListCall): boolean {
    const { answer, request, logged } = call;
    const { findings } = this.#evidence;
    const start = request.after === undefined ? 0 : this.#startOf.get(request.after);
    if (answer === null) return false;
    const wrong = (why: string) => findings.forbid("wrong picture", why, logged);
    if (answer.leases.length > (request.limit ?? USUAL_PAGE)) {
      wrong(`It shows ${answer.leases.length} leases on one page.`);
    }
    const shown = new Set<LeaseTimes | null>();
    let last = start ?? 0;
    for (const lease of answer.leases) {
      if (lease.token <= last) wrong(`It shows ${named(lease)} behind the token ${last}.`);
      last = lease.token;
      const times = judgeShown(this.#evidence, call, lease, false);
      shown.add(times);
      const isAsked = request.state === undefined || request.state === lease.state;
      if (!isAsked || (times !== null && !matches(times, request))) {
        wrong(`It shows ${named(lease)} as ${lease.state}, which was not asked for.`);
      }
    }
    if (start === undefined) return false;
    this.#judgeWhole(call, shown, start, answer.next === null ? Number.POSITIVE_INFINITY : last);
    return true;
  }

  /** Between two tokens it shows all that lived while it was read. */
  #judgeWhole(call: ListCall, shown: ReadonlySet<LeaseTimes | null>, start: number, end: number): void {
    const { findings, neighbours } = this.#evidence;
    const { request, logged, from, to } = call;
    const span = { from, to };
    const { resource } = request;
    for (const lease of resource === undefined
      ? neighbours.all(span)
      : neighbours.overlapping(resource, span)) {
      if (shown.has(lease) || lease.token <= start || lease.token > end || !matches(lease, request)) continue;
      const proof = lease.livedThrough(from, to);
      if (proof === null || !wasCertainly(request.state, lease, call)) continue;
      const why = `It does not show ${named(lease)}, which lives until ${at(proof.until)} at least.`;
      findings.forbid("wrong picture", why, logged, proof.call);
    }
  }
}

function matches(lease: LeaseTimes, { ids, agentId, resource }: LeaseQuery): boolean {
  if (ids !== undefined && !ids.includes(lease.id)) return false;
  if (agentId !== undefined && agentId !== lease.agentId) return false;
  return resource === undefined || claimsOf(lease.life).some((claim) => overlap(claim.resource, resource));
}

/** Whether it was in that state throughout the call. */
function wasCertainly(state: LeaseQuery["state"], lease: LeaseTimes, { from, to }: ListCall): boolean {
  if (state === "active") return lease.activeBy < from;
  if (state === "pending")
    return lease.life.sightings.some((one) => one.state === "pending" && one.from > to);
  return true;
}
