/** Reads a log: which leases lived under which id, who was shown them, and when they were seen to be gone. */
import type { Blocker, Lease } from "@lease/core";
import type { AcquireCall, Call, Calls, ReleaseCall, RenewCall, SweepCall } from "./calls.js";
import type { Life, Sighting, Story } from "./story.js";

/** All ids of a log. */
export class Reading {
  readonly stories = new Map<string, Story>();
  readonly #lives = new Map<string, Map<number, Life>>();

  constructor(calls: Calls) {
    for (const call of calls.acquires) this.story(call.request.id).acquires.push(call);
    for (const denial of calls.denials) this.story(denial.request.id).denials.push(denial);
    for (const call of calls.renewals) this.story(call.request.id).renewals.push(call);
    for (const call of calls.releases) this.story(call.request.id).releases.push(call);
    for (const call of calls.acquires) this.#readAcquire(call);
    for (const call of calls.renewals) this.#readRenewal(call);
    for (const { answer, ...call } of calls.lists) {
      for (const lease of answer?.leases ?? []) this.#see(lease, { ...call, answer }, false);
    }
    for (const call of calls.sweeps) this.#readSweep(call);
    for (const story of this.stories.values()) {
      story.lives = [...(this.#lives.get(story.id)?.values() ?? [])].sort((a, b) => a.token - b.token);
    }
    // Which lease an end belongs to is clear only when all are known.
    for (const call of calls.releases) this.#readRelease(call);
    for (const story of this.stories.values()) {
      for (const life of story.lives) life.sightings.sort((a, b) => a.from - b.from);
    }
  }

  story(id: string): Story {
    let story = this.stories.get(id);
    if (story === undefined) {
      story = { id, acquires: [], denials: [], renewals: [], releases: [], absences: [], lives: [] };
      this.stories.set(id, story);
    }
    return story;
  }

  #readAcquire(call: AcquireCall): void {
    const { answer, request } = call;
    if (answer === null) return;
    if (answer.status === "granted") {
      this.#see(answer.lease, call, true);
    } else if (answer.status === "refused") {
      for (const blocker of answer.blockers) this.#see(blocker, call, false);
      if (answer.lease !== null) this.#see(answer.lease, call, true);
    }
    if (answer.status === "ended" || (answer.status === "refused" && answer.lease === null)) {
      this.#miss(request.id, call);
    }
  }

  #readRenewal(call: RenewCall): void {
    const { answer, request } = call;
    if (answer === null) return;
    if (answer.status === "renewed" || answer.status === "out-of-order") this.#see(answer.lease, call, true);
    if (answer.status === "expired" || answer.status === "not-found") this.#miss(request.id, call);
  }

  #readRelease(call: ReleaseCall): void {
    const { answer, request, logged, from, to } = call;
    if (answer === null || answer.status === "not-owner") return;
    if (answer.status !== "revoking") this.#miss(request.id, call);
    if (answer.status === "not-found") return;
    const life = this.#ended(call);
    if (life === undefined) return;
    const state = answer.status === "cancelled" ? "pending" : "active";
    const isClear = answer.status !== "revoked" || life.sightings.some((one) => one.state === "active");
    if (isClear) life.sightings.push({ call: logged, from, to, state, promisedMs: null, renewals: null });
  }

  /** The lease that an end can only have been of. */
  #ended({ request }: ReleaseCall): Life | undefined {
    const { lives, acquires } = this.story(request.id);
    if (request.kind === "release" && request.token !== undefined) {
      return lives.find(({ token }) => token === request.token);
    }
    const isSure = lives.length === 1 && acquires.every(({ answer }) => answer !== null);
    return isSure ? lives[0] : undefined;
  }

  #readSweep(call: SweepCall): void {
    for (const lease of call.answer?.expired ?? []) {
      this.#life(lease);
      this.#miss(lease.id, call);
    }
  }

  #miss(id: string, { logged, from, to }: Call<unknown, unknown>): void {
    this.story(id).absences.push({ call: logged, from, to });
  }

  #see(shown: Lease | Blocker, call: Call<unknown, unknown>, isOwn: boolean): void {
    const { logged, from, to } = call;
    if (shown.state !== "pending" && shown.state !== "active") return;
    const life = this.#life(shown);
    const isLease = "claims" in shown;
    if (isLease) life.lease ??= shown;
    const sighting: Sighting = {
      call: logged,
      from,
      to,
      state: shown.state,
      promisedMs: isOwn ? shown.expiresInMs : null,
      renewals: isLease ? shown.renewals : null,
    };
    life.sightings.push(sighting);
  }

  #life(shown: Lease | Blocker): Life {
    const story = this.story(shown.id);
    const lives = this.#lives.get(shown.id) ?? new Map<number, Life>();
    this.#lives.set(shown.id, lives);
    let life = lives.get(shown.token);
    if (life === undefined) {
      life = { story, token: shown.token, agentId: shown.agentId, lease: null, sightings: [] };
      lives.set(shown.token, life);
    }
    return life;
  }
}
