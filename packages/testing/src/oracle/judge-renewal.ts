/** Judges the answers of `renew`. */
import type { Lease } from "@lease/core";
import type { RenewResult } from "@lease/core/backend";
import type { RenewCall } from "./calls.js";
import { couldHaveExpired, leaseMeant, revokesOf } from "./ends.js";
import type { Evidence } from "./evidence.js";
import { at, named } from "./findings.js";
import { judgeExpired, judgeNotFound, judgeNotOwner } from "./judge-missing.js";
import { countsRenewals, rounded } from "./latest-expiry.js";
import { GRAIN_MS } from "./proofs.js";
import { RenewalCounts } from "./renewal-counts.js";
import { judgeShown, leastLeft, roundingOf } from "./shown.js";
import type { LeaseTimes } from "./times.js";

type Renewed = Extract<RenewResult, { status: "renewed" }>;
type Revoked = Extract<RenewResult, { status: "revoked" }>;

export class RenewalJudge {
  readonly #evidence: Evidence;
  readonly #counts = new Map<LeaseTimes, RenewalCounts>();

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  judge(call: RenewCall): void {
    const { answer } = call;
    if (answer?.status === "renewed") this.#renewed(call, answer);
    if (answer?.status === "out-of-order") this.#outOfOrder(call, answer.lease);
    if (answer?.status === "renewal-limit") this.#limited(call, answer.maxRenewals);
    if (answer?.status === "revoked") this.#revoked(call, answer);
    if (answer?.status === "pending") this.#pending(call);
    if (answer?.status === "expired") judgeExpired(this.#evidence, call);
    if (answer?.status === "not-found") judgeNotFound(this.#evidence, call);
    if (answer?.status === "not-owner") judgeNotOwner(this.#evidence, call);
  }

  #renewed(call: RenewCall, answer: Renewed): void {
    const { findings, limits } = this.#evidence;
    const { request, logged } = call;
    const { lease, repeated } = answer;
    const times = this.#shown(call, lease);
    if (times === null) return;
    if (countsRenewals(times.life, limits)) this.#judgeCount(call, answer, times);
    else if (repeated) {
      findings.forbid("wrong count", "It repeats a renewal where none are counted.", logged);
    }
    if (repeated) return;
    const ttlMs = request.ttlMs === undefined ? lease.ttlMs : rounded(request.ttlMs, limits);
    const least = leastLeft(ttlMs, call, limits);
    if (lease.expiresInMs < least) {
      const why = `It renews ${named(lease)} for ${lease.expiresInMs} ms, and at least ${at(least)} of ${ttlMs} are left.`;
      findings.forbid("wrong time", why, logged);
    }
  }

  /** What is shown is the lease that was to be renewed, and active. */
  #shown(call: RenewCall, lease: Lease): LeaseTimes | null {
    const { findings } = this.#evidence;
    const { request, logged } = call;
    const isAsked = lease.id === request.id && lease.agentId === request.agentId;
    if (!isAsked || (request.token !== undefined && request.token !== lease.token)) {
      const token = request.token === undefined ? "" : ` (token ${request.token})`;
      const why = `${request.agentId} asked to renew ${request.id}${token}, and was shown ${named(lease)}.`;
      findings.forbid("wrong owner", why, logged);
      return null;
    }
    if (lease.state !== "active") {
      findings.forbid("wrong status", `It renews ${named(lease)}, which is ${lease.state}.`, logged);
      return null;
    }
    const times = judgeShown(this.#evidence, call, lease, true);
    if (times !== null) this.#judgeRevoking(call, lease);
    return times;
  }

  /** A soft revoke is shown to the holder, and refuses renewals once its grace is over. */
  #judgeRevoking({ logged, from, to }: RenewCall, lease: Lease): void {
    const { findings, limits } = this.#evidence;
    const revokes = revokesOf(this.#evidence.story(lease.id), to);
    const begun = revokes.filter(
      ({ answer, to: answeredAt }) => answer?.status === "revoking" && answeredAt < from,
    );
    // A store keeps a grace as it keeps a lease: rounded up, and perhaps a little longer.
    const slackMs = roundingOf(limits) + limits.expirySlackMs + GRAIN_MS;
    const over = begun.find((revoke) => revoke.to + revoke.request.graceMs + slackMs < from);
    if (over !== undefined) {
      const why = `It renews ${named(lease)}, and the grace of its revoke was over by ${at(over.to + over.request.graceMs)}.`;
      findings.forbid("revived", why, logged, over.logged);
    }
    const { revoking } = lease;
    if (revoking === null && begun[0] !== undefined) {
      const why = `It does not show that ${named(lease)} is being revoked.`;
      findings.forbid("wrong picture", why, logged, begun[0].logged);
    }
    if (revoking === null) return;
    const isAsked = revokes.some(
      ({ request }) => request.by === revoking.by && request.reason === revoking.reason,
    );
    if (!isAsked) {
      const why = `It shows a revoke of ${named(lease)} by ${revoking.by}, which was never asked for.`;
      findings.forbid("unexplained end", why, logged);
    }
  }

  #judgeCount(call: RenewCall, { lease, repeated }: Renewed, times: LeaseTimes): void {
    const { request, logged, from, to } = call;
    const { renewal } = request;
    const counts = this.#countsOf(times);
    const before = counts.least(from);
    const wrong = this.#wrongCount(call);
    if (before !== undefined && lease.renewals < before.value) {
      wrong(
        `It shows ${lease.renewals} renewals, and ${before.value} were counted before.`,
        before.item.call,
      );
    }
    if (lease.renewals > counts.most(to)) {
      wrong(`It shows ${lease.renewals} renewals, and at most ${counts.most(to)} can be counted.`);
    }
    if (lease.maxRenewals !== null && lease.renewals > lease.maxRenewals) {
      wrong(`It counts ${lease.renewals} renewals, and ${lease.maxRenewals} are allowed.`);
    }
    if (repeated) {
      if (renewal !== undefined && renewal <= lease.renewals) return;
      wrong(`It repeats renewal ${renewal}, and ${lease.renewals} are counted.`);
      return;
    }
    if (before !== undefined && lease.renewals === before.value) {
      wrong(`It counts renewal ${lease.renewals}, which was counted before.`, before.item.call);
    }
    if (renewal !== undefined && renewal !== lease.renewals) {
      wrong(`It counts renewal ${renewal} as the ${lease.renewals}th.`);
    }
    if (lease.renewals - 1 > counts.most(to, call)) {
      wrong(`It counts renewal ${lease.renewals}, and at most ${counts.most(to, call)} can come before it.`);
    }
    const twice = counts
      .countedAs(lease.renewals)
      .find((other) => other.logged !== logged && other.from <= from);
    if (twice !== undefined) wrong(`It counts renewal ${lease.renewals} a second time.`, twice.logged);
  }

  /** It writes nothing, and shows what is counted. */
  #outOfOrder(call: RenewCall, lease: Lease): void {
    const { limits } = this.#evidence;
    const { request, from, to } = call;
    const times = this.#shown(call, lease);
    if (times === null) return;
    const wrong = this.#wrongCount(call);
    const { renewal } = request;
    if (!countsRenewals(times.life, limits)) {
      wrong("It says that a renewal is out of order where none are counted.");
    } else if (renewal === undefined || renewal <= lease.renewals + 1) {
      wrong(`It says that renewal ${renewal} is out of order after ${lease.renewals}.`);
    }
    const counts = this.#countsOf(times);
    const least = counts.least(from)?.value ?? 0;
    const most = counts.most(to);
    if (lease.renewals < least || lease.renewals > most) {
      wrong(`It shows ${lease.renewals} renewals, and from ${least} to ${most} can be counted.`);
    }
  }

  /** All its renewals are counted, and it lives. */
  #limited(call: RenewCall, maxRenewals: number): void {
    const { findings } = this.#evidence;
    const { request, logged, from, to } = call;
    const wrong = this.#wrongCount(call);
    const { acquires } = this.#evidence.story(request.id);
    if (!acquires.some((asked) => asked.request.maxRenewals === maxRenewals)) {
      wrong(`It says that ${request.id} has a limit of ${maxRenewals} renewals, which was not asked for.`);
      return;
    }
    const lease = leaseMeant(this.#evidence, call);
    if (lease === undefined) return;
    const counts = this.#countsOf(lease);
    if (counts.most(to) < maxRenewals) {
      wrong(
        `It says that ${named(lease)} was renewed ${maxRenewals} times, and at most ${counts.most(to)} can be counted.`,
      );
    }
    const before = counts.least(from);
    if (request.renewal !== undefined && before !== undefined && request.renewal <= before.value) {
      wrong(
        `It refuses renewal ${request.renewal} of ${named(lease)}, which was counted before.`,
        before.item.call,
      );
    }
    if (lease.overBy < from) {
      const why = `It says that ${named(lease)} has used its renewals, and it was over by ${at(lease.overBy)}.`;
      findings.forbid("revived", why, logged, lease.goneCall);
    }
  }

  /** Another agent, or an operator, had it revoked, and its grace is over. */
  #revoked({ request, logged, to }: RenewCall, { by, reason }: Revoked): void {
    const { findings } = this.#evidence;
    const story = this.#evidence.story(request.id);
    const causes = revokesOf(story, to).filter(
      (call) => call.request.by === by && call.request.reason === reason,
    );
    if (causes.length === 0) {
      findings.forbid(
        "unexplained end",
        `It says that ${by} revoked ${request.id}, which never asked for that.`,
        logged,
      );
      return;
    }
    const isOver = causes.some(
      ({ answer, from, request: { graceMs } }) =>
        answer?.status !== "revoking" || from + graceMs - GRAIN_MS <= to,
    );
    // It also ends with its own time, if that is over before the grace is.
    if (isOver || couldHaveExpired(this.#evidence, story, to)) return;
    const why = `It says that ${request.id} is revoked, and the grace is not over.`;
    findings.forbid("ended early", why, logged, causes[0]?.logged);
  }

  #pending(call: RenewCall): void {
    const { findings } = this.#evidence;
    const { request, logged, from } = call;
    if (this.#evidence.story(request.id).acquires.length === 0) {
      const why = `It says that ${request.id} is pending, which was never asked for.`;
      findings.forbid("wrong status", why, logged);
    }
    const lease = leaseMeant(this.#evidence, call);
    if (lease === undefined || lease.activeBy >= from) return;
    const why = `It says that ${named(lease)} is pending, which was granted by ${at(lease.activeBy)}.`;
    findings.forbid("wrong status", why, logged, lease.activeCall);
  }

  #wrongCount({ logged }: RenewCall): (why: string, contradicted?: RenewCall["logged"]) => void {
    return (why, contradicted) => this.#evidence.findings.forbid("wrong count", why, logged, contradicted);
  }

  #countsOf(lease: LeaseTimes): RenewalCounts {
    const counts = this.#counts.get(lease) ?? new RenewalCounts(lease);
    this.#counts.set(lease, counts);
    return counts;
  }
}
