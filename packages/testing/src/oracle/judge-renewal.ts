/** Judges the answers of `renew`. */
import type { Lease } from "@lease/core";
import type { RenewResult } from "@lease/core/backend";
import type { RenewCall } from "./calls.js";
import { Counts } from "./counts.js";
import { couldHaveExpired, leaseMeant, revokesOf } from "./ends.js";
import type { Evidence } from "./evidence.js";
import { at, named } from "./findings.js";
import { judgeMissing, judgeNotOwner } from "./judge-missing.js";
import { judgeShown } from "./shown.js";
import { countsRenewals, GRAIN_MS, type LifeTimes, rounded } from "./times.js";

type Renewed = Extract<RenewResult, { status: "renewed" }>;

export class RenewalJudge {
  readonly #evidence: Evidence;
  readonly #counts = new Map<LifeTimes, Counts>();

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  /** Returns whether there was something to go by. */
  judge(call: RenewCall): boolean {
    const { answer } = call;
    switch (answer?.status) {
      case "renewed":
        this.#renewed(call, answer);
        return true;
      case "out-of-order":
        this.#outOfOrder(call, answer.lease);
        return true;
      case "expired":
        judgeMissing(this.#evidence, call, "expired");
        return true;
      case "not-found":
        judgeMissing(this.#evidence, call, "not-found");
        return true;
      case "revoked":
        this.#revoked(call, answer);
        return true;
      case "not-owner":
        judgeNotOwner(this.#evidence, call);
        return true;
      case "pending":
        this.#pending(call);
        return true;
      case "renewal-limit":
        this.#limited(call, answer.maxRenewals);
        return true;
      default:
        return false;
    }
  }

  #renewed(call: RenewCall, answer: Renewed): void {
    const { findings, limits } = this.#evidence;
    const { request, logged, from, to } = call;
    const { lease, repeated } = answer;
    const times = this.#shown(call, lease);
    if (times === null) return;
    if (countsRenewals(times.life, limits)) this.#judgeCount(call, answer, times);
    else if (repeated) findings.forbid("wrong count", "It repeats a renewal where none are counted.", logged);
    if (repeated) return;
    const ttlMs = request.ttlMs === undefined ? lease.ttlMs : rounded(request.ttlMs, limits);
    const least = ttlMs - (to - from) - GRAIN_MS - (limits.ttlStepMs > 1 ? limits.ttlStepMs : 0);
    if (lease.expiresInMs < least) {
      const why = `It renews ${named(lease)} for ${lease.expiresInMs} ms, and at least ${at(least)} must be left of ${ttlMs}.`;
      findings.forbid("wrong time", why, logged);
    }
  }

  /** What is shown must be what was to be renewed. */
  #shown(call: RenewCall, lease: Lease): LifeTimes | null {
    const { findings } = this.#evidence;
    const { request, logged } = call;
    const isOthers =
      lease.id !== request.id ||
      lease.agentId !== request.agentId ||
      (request.token !== undefined && request.token !== lease.token);
    if (isOthers) {
      const asked = `${request.agentId} renewed ${request.id}${request.token === undefined ? "" : ` (token ${request.token})`}`;
      findings.forbid("wrong owner", `${asked}, and was answered with ${named(lease)}.`, logged);
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
  #judgeRevoking({ request, logged, from, to }: RenewCall, lease: Lease): void {
    const { findings, story } = this.#evidence;
    const revokes = revokesOf(story(request.id), to);
    const told = revokes.filter((call) => call.answer?.status === "revoking" && call.to < from);
    const over = told.find((call) => call.to + call.request.graceMs + GRAIN_MS < from);
    if (over !== undefined) {
      const why = `It renews ${named(lease)}, though the grace of its revoke was over by ${at(over.to + over.request.graceMs)}.`;
      findings.forbid("revived", why, logged, over.logged);
    }
    const { revoking } = lease;
    if (revoking === null) {
      if (told[0] !== undefined) {
        findings.forbid(
          "wrong picture",
          `It does not show that ${named(lease)} is being revoked.`,
          logged,
          told[0].logged,
        );
      }
      return;
    }
    const asked = revokes.filter(
      (call) => call.request.by === revoking.by && call.request.reason === revoking.reason,
    );
    if (asked.length === 0) {
      findings.forbid(
        "unexplained end",
        `It shows a revoke of ${named(lease)} by ${revoking.by} that was never asked for.`,
        logged,
      );
    }
  }

  #judgeCount(call: RenewCall, answer: Renewed, times: LifeTimes): void {
    const { findings } = this.#evidence;
    const { request, logged, from, to } = call;
    const { lease } = answer;
    const counts = this.#countsOf(times);
    const wrong = (why: string, ...others: Parameters<typeof findings.forbid>[2][]) =>
      findings.forbid("wrong count", why, logged, ...others);
    const least = counts.least(from);
    if (least !== undefined && lease.renewals < least.value) {
      wrong(`It shows ${lease.renewals} renewals, and ${least.value} were counted before.`, least.item.call);
    }
    if (lease.renewals > counts.most(to)) {
      wrong(
        `It shows ${lease.renewals} renewals, and no more than ${counts.most(to)} can have been counted.`,
      );
    }
    if (lease.maxRenewals !== null && lease.renewals > lease.maxRenewals) {
      wrong(`It counts ${lease.renewals} renewals, and ${lease.maxRenewals} are allowed.`);
    }
    const { renewal } = request;
    if (answer.repeated) {
      if (renewal === undefined || lease.renewals < renewal) {
        wrong(`It repeats renewal ${renewal}, and ${lease.renewals} are counted.`);
      }
      return;
    }
    if (least !== undefined && lease.renewals <= least.value) {
      wrong(`It counts renewal ${lease.renewals}, which was counted before.`, least.item.call);
    }
    if (renewal !== undefined && lease.renewals !== renewal) {
      wrong(`It counts renewal ${renewal} as number ${lease.renewals}.`);
    }
    const others = counts.most(to, call);
    if (lease.renewals - 1 > others) {
      wrong(
        `It counts renewal ${lease.renewals}, and no more than ${others} can have been counted before it.`,
      );
    }
    const twice = counts.counted.get(lease.renewals)?.find((other) => other !== call && other.from <= from);
    if (twice !== undefined) wrong(`It counts renewal ${lease.renewals} a second time.`, twice.logged);
  }

  /** It writes nothing, and shows what is counted. */
  #outOfOrder(call: RenewCall, lease: Lease): void {
    const { findings, limits } = this.#evidence;
    const { request, logged, from, to } = call;
    const times = this.#shown(call, lease);
    if (times === null) return;
    const wrong = (why: string) => findings.forbid("wrong count", why, logged);
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

  #revoked(
    { request, logged, to }: RenewCall,
    { by, reason }: Extract<RenewResult, { status: "revoked" }>,
  ): void {
    const { findings, story } = this.#evidence;
    const causes = revokesOf(story(request.id), to).filter(
      (call) => call.request.by === by && call.request.reason === reason,
    );
    if (causes.length === 0) {
      findings.forbid(
        "unexplained end",
        `It says that ${request.id} was revoked by ${by}, who did not.`,
        logged,
      );
      return;
    }
    // A soft revoke also ends at the lease's own expiry, if that comes before its grace is over.
    if (causes.some((call) => call.from + call.request.graceMs <= to + GRAIN_MS)) return;
    if (couldHaveExpired(this.#evidence, story(request.id), to)) return;
    findings.forbid(
      "ended early",
      `It says that ${request.id} was revoked, and the grace is not over.`,
      logged,
      causes[0]?.logged,
    );
  }

  #pending(call: RenewCall): void {
    const { findings, story } = this.#evidence;
    const { request, logged, from } = call;
    if (story(request.id).acquires.length === 0) {
      const why = `It says that ${request.id} is pending, which was never asked for.`;
      findings.forbid("wrong status", why, logged);
    }
    const life = leaseMeant(this.#evidence, call);
    if (life === undefined || life.activeBy >= from) return;
    const why = `It says that ${named(life)} is pending, which was granted by ${at(life.activeBy)}.`;
    findings.forbid("wrong status", why, logged, life.activeCall);
  }

  #limited(call: RenewCall, maxRenewals: number): void {
    const { findings, story } = this.#evidence;
    const { request, logged, from, to } = call;
    const asked = story(request.id).acquires.find(({ request: one }) => one.maxRenewals === maxRenewals);
    if (asked === undefined) {
      findings.forbid(
        "wrong count",
        `It says that ${request.id} has a limit of ${maxRenewals} renewals.`,
        logged,
      );
      return;
    }
    const life = leaseMeant(this.#evidence, call);
    if (life === undefined) return;
    const counts = this.#countsOf(life);
    const most = counts.most(to);
    if (most < maxRenewals) {
      const why = `It says that all ${maxRenewals} renewals of ${named(life)} are used, and no more than ${most} can be.`;
      findings.forbid("wrong count", why, logged);
    }
    if (request.renewal !== undefined && request.renewal <= (counts.least(from)?.value ?? 0)) {
      const why = `It refuses renewal ${request.renewal} of ${named(life)}, which was counted before.`;
      findings.forbid("wrong count", why, logged, counts.least(from)?.item.call);
    }
    if (life.latestEnd < from) {
      findings.forbid(
        "revived",
        `It says that ${named(life)} still lives, which was over by ${at(life.latestEnd)}.`,
        logged,
        life.goneCall,
      );
    }
  }

  #countsOf(times: LifeTimes): Counts {
    const counts = this.#counts.get(times) ?? new Counts(times);
    this.#counts.set(times, counts);
    return counts;
  }
}
