/** Judges a lease that an answer shows, wherever it is shown. */

import type { Blocker, Claim, Lease } from "@lease/core";
import type { AcquireRequest } from "@lease/core/backend";
import { sameData } from "../assert.js";
import type { Call } from "./calls.js";
import type { Evidence } from "./evidence.js";
import { at, named } from "./findings.js";
import { rounded } from "./latest-expiry.js";
import type { JudgeLimits } from "./limits.js";
import { GRAIN_MS } from "./proofs.js";
import type { LeaseTimes } from "./times.js";

type AnyCall = Call<unknown, unknown>;

/**
 * It was asked for as it is shown, can live at a moment of the call, and has as much time left as it can have.
 *
 * @param isOwn - shown to the agent that it belongs to, whose remaining time is never rounded up
 * @returns `null` if it is forbidden
 */
export function judgeShown(
  evidence: Evidence,
  call: AnyCall,
  shown: Lease | Blocker,
  isOwn: boolean,
): LeaseTimes | null {
  const { findings } = evidence;
  const times = evidence.lease(shown.id, shown.token);
  if (times === undefined || (shown.state !== "pending" && shown.state !== "active")) {
    findings.forbid("wrong picture", `It shows ${named(shown)} as ${shown.state}.`, call.logged);
    return null;
  }
  if (!wasAskedFor(evidence, call, shown, times)) return null;
  if (!canLive(evidence, call, times, shown.state)) return null;
  judgeTimeLeft(evidence, call, shown, times, isOwn);
  return times;
}

function wasAskedFor(
  { limits, findings }: Evidence,
  call: AnyCall,
  shown: Lease | Blocker,
  times: LeaseTimes,
): boolean {
  if (times.enteredFrom > call.to) {
    const why = `It shows ${named(shown)}, which no acquire can have begun by then.`;
    findings.forbid("wrong picture", why, call.logged);
    return false;
  }
  if (!(Number.isSafeInteger(shown.token) && shown.token > 0)) {
    findings.forbid("wrong token", `It shows ${named(shown)}: no safe integer above 0.`, call.logged);
  }
  const { acquires } = times.life.story;
  if ("claims" in shown && !acquires.some(({ request }) => isAsAsked(shown, request, limits))) {
    const why = `It shows ${named(shown)} otherwise than it was asked for.`;
    findings.forbid("wrong picture", why, call.logged, acquires[0]?.logged);
  }
  return true;
}

function isAsAsked(shown: Lease, asked: AcquireRequest, limits: JudgeLimits): boolean {
  return (
    shown.agentId === asked.agentId &&
    sameClaims(shown.claims, asked.claims) &&
    shown.ttlMs === rounded(asked.ttlMs, limits) &&
    shown.maxRenewals === asked.maxRenewals &&
    shown.reason === asked.reason &&
    sameData(shown.metadata, asked.metadata) &&
    sameData(shown.holding, asked.holding)
  );
}

/** Whether two requests name the same resources in the same modes, in any order. */
export function sameClaims(ours: readonly Claim[], theirs: readonly Claim[]): boolean {
  if (ours.length !== theirs.length) return false;
  return ours.every(
    (our, index) => sameClaim(our, theirs[index] as Claim) || theirs.some((their) => sameClaim(our, their)),
  );
}

function sameClaim(one: Claim, other: Claim): boolean {
  return one.resource === other.resource && one.mode === other.mode;
}

/** Whether it can live, in that state, at a moment of the call. */
function canLive(evidence: Evidence, call: AnyCall, times: LeaseTimes, state: "pending" | "active"): boolean {
  const { findings, limits } = evidence;
  const shows = `It shows ${named(times)} as ${state},`;
  if (times.goneBy < call.from) {
    findings.forbid(
      "revived",
      `${shows} which was gone by ${at(times.goneBy)}.`,
      call.logged,
      times.goneCall,
    );
    return false;
  }
  const end = evidence.remembered(times.id, call.from, call.to);
  if (end !== undefined) {
    const why = `${shows} and the end of that id has to be remembered until ${at(end.until)}.`;
    findings.forbid("second life", why, call.logged, end.call);
    return false;
  }
  if (state === "pending" && times.activeBy < call.from) {
    const why = `${shows} which was granted by ${at(times.activeBy)}.`;
    findings.forbid("wrong status", why, call.logged, times.activeCall);
    return false;
  }
  // A grant finds it in the queue, and there its place has to live.
  const phase = state === "pending" || isGrant(call) ? "pending" : "active";
  const latest = times.latestExpiry(phase, { before: call.from }) + limits.expirySlackMs;
  if (latest < call.from) {
    findings.forbid(
      "revived",
      `${shows} whose time was over by ${at(latest)}.`,
      call.logged,
      times.enteredCall,
    );
    return false;
  }
  return true;
}

function isGrant({ answer }: AnyCall): boolean {
  const { status, repeated } = answer as { readonly status?: unknown; readonly repeated?: unknown };
  return status === "granted" && repeated === false;
}

function judgeTimeLeft(
  { findings, limits }: Evidence,
  call: AnyCall,
  shown: Lease | Blocker,
  times: LeaseTimes,
  isOwn: boolean,
): void {
  const state = shown.state === "active" ? "active" : "pending";
  const says = `It says that ${named(shown)} has ${shown.expiresInMs} ms left,`;
  const slackMs = isOwn ? 0 : roundingOf(limits) + limits.expirySlackMs;
  const most = times.latestExpiry(state, { upTo: call.to }) - call.from + GRAIN_MS + slackMs;
  if (shown.expiresInMs > most) {
    const why = `${says} and it cannot have more than ${at(most)}.`;
    findings.forbid("wrong time", why, call.logged, times.activeCall ?? times.enteredCall);
    return;
  }
  // It may answer from what it looked up a moment before, when a renewal was not made yet.
  const promise = times.soonestExpiry(state, call.from - limits.expirySlackMs);
  if (promise === undefined) return;
  // A store that may keep a lease longer than its time takes that off what it reads back, so as not to report too much.
  const least = promise.value - call.to - GRAIN_MS - roundingOf(limits) - limits.expirySlackMs;
  if (shown.expiresInMs < least) {
    const why = `${says} and at least ${at(least)} of what was promised are.`;
    findings.forbid("wrong time", why, call.logged, promise.item.call);
  }
}

/** What must at least be left of a time that began during a call, when it is answered. */
export function leastLeft(ttlMs: number, { from, to }: AnyCall, limits: JudgeLimits): number {
  return ttlMs - (to - from) - GRAIN_MS - roundingOf(limits);
}

/** How far a remaining time may be off for being rounded. */
export function roundingOf({ ttlStepMs }: JudgeLimits): number {
  return ttlStepMs > 1 ? ttlStepMs : 0;
}
