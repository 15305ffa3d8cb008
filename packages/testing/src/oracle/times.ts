/**
 * When one lease can have begun, been granted and ended. Every bound follows from what was asked, sent and answered:
 * `…By` and `until` are moments by which something is certain, `latest…` are moments after which something cannot be.
 */
import type { RenewRequest } from "@lease/core/backend";
import type { AcquireCall, RenewCall } from "./calls.js";
import type { JudgeLimits, JudgeOptions } from "./limits.js";
import type { LoggedCall } from "./log.js";
import { countBefore, type Peak, runningMax } from "./steps-in-time.js";
import { type Absence, acquireOf, isQueueing, type Life, mayBeHandedOver, type Sighting } from "./story.js";

/** Stores count in whole milliseconds, so a moment and a remaining time can each be off by one. */
export const GRAIN_MS = 1;

const FOREVER = Number.POSITIVE_INFINITY;
const NEVER = Number.NEGATIVE_INFINITY;

/** A lease that was seen to live: no end before `until`. */
export interface Proof {
  readonly from: number;
  readonly to: number;
  /** Whatever ended it, it lived until then. */
  readonly until: number;
  /** When it would have ended had nothing ended it earlier. */
  readonly expiresFrom: number;
  readonly state: "pending" | "active";
  readonly call: LoggedCall;
}

/** Something that can end a lease, or bring its expiry forward. */
interface Cut {
  readonly from: number;
  readonly to: number;
  /** It lives for at least so long after it. */
  readonly leastMs: number;
  /** If nothing but time ends it, it lives for at least so long after it. */
  readonly expiresMs: number;
  readonly onlyPending: boolean;
  readonly call: LoggedCall;
}

/** Something that can put the expiry off: to `until`, or, if it may still arrive, by `byMs`. */
interface Extension {
  readonly from: number;
  readonly until: number;
  readonly byMs: number;
}

export class LifeTimes {
  readonly life: Life;
  readonly id: string;
  readonly agentId: string;
  readonly token: number;
  readonly ttlMs: number;
  /** It can have entered from here on. */
  readonly enteredFrom: number;
  readonly enteredBy: number;
  readonly enteredCall: LoggedCall | undefined;
  /** It was granted by then; `Infinity` if it was never seen active. */
  readonly activeBy: number;
  readonly activeCall: LoggedCall | undefined;
  /** By then it was seen to be gone. */
  readonly goneBy: number;
  readonly goneCall: LoggedCall | undefined;
  /** It lived until then, in order of when that was shown. */
  readonly proofs: readonly Proof[];
  readonly cuts: readonly Cut[];
  /** After this it cannot have lived, whatever state it was in. */
  readonly latestEnd: number;
  /** After this nothing speaks of it any more. */
  readonly lastSign: number;
  readonly #limits: JudgeLimits;
  readonly #latestProof: readonly Peak<Proof>[];
  readonly #latestExpiry: Record<
    Proof["state"],
    { readonly proofs: readonly Proof[]; readonly peaks: readonly Peak<Proof>[] }
  >;
  readonly #whileActive: Expiry;
  readonly #whilePending: Expiry;

  constructor(life: Life, livedUntil: number, limits: JudgeLimits, options: JudgeOptions) {
    this.life = life;
    this.id = life.story.id;
    this.agentId = life.agentId;
    this.token = life.token;
    this.#limits = limits;
    const { sightings, story } = life;
    const first = earliest(sightings);
    const firstActive = earliest(sightings.filter(({ state }) => state === "active"));
    this.ttlMs =
      life.lease?.ttlMs ??
      rounded(
        greatest(story.acquires, ({ request }) => request.ttlMs),
        limits,
      );
    this.enteredFrom = Math.max(acquireOf(life)?.from ?? FOREVER, livedUntil);
    this.enteredBy = first?.to ?? FOREVER;
    this.enteredCall = first?.call;
    this.activeBy = firstActive?.to ?? FOREVER;
    this.activeCall = firstActive?.call;
    const gone = earliest(story.absences.filter(({ from }) => from > this.enteredBy));
    this.goneBy = gone?.to ?? FOREVER;
    this.goneCall = gone?.call;
    this.cuts = this.#cuts();
    this.proofs = options.endsEarly === true ? [] : this.#proofs();
    this.#latestProof = runningMax(this.proofs, ({ until }) => until);
    const byAnswer = [...this.proofs].sort((a, b) => a.to - b.to);
    const expiry = (state: Proof["state"]) => {
      const proofs = byAnswer.filter((proof) => proof.state === state);
      return { proofs, peaks: runningMax(proofs, ({ expiresFrom }) => expiresFrom) };
    };
    this.#latestExpiry = { pending: expiry("pending"), active: expiry("active") };
    this.#whilePending = this.#pendingExpiry(options);
    this.#whileActive = this.#activeExpiry(options);
    const latest = this.latestExpiry(firstActive === undefined ? "pending" : "active", { upTo: FOREVER });
    this.latestEnd = Math.min(this.goneBy, latest + limits.expirySlackMs);
    this.lastSign = Math.max(this.latestEnd, this.provenUntil()?.value ?? NEVER);
  }

  /** The latest moment at which it is known to have lived, and the answer that says so; by answers sent up to `sentBy`. */
  provenUntil(sentBy = FOREVER): Peak<Proof> | undefined {
    const count = countBefore(this.proofs, sentBy, ({ from }) => from, true);
    return this.#latestProof[count - 1];
  }

  /** It lived at each moment from `from` to `to`, if an answer is returned. */
  livedThrough(from: number, to: number): Proof | null {
    const proven = this.provenUntil();
    return proven !== undefined && this.enteredBy < from && proven.value > to ? proven.item : null;
  }

  /** The soonest it can have expired, as it was known by answers that had come before `at`. */
  soonestExpiry(state: Proof["state"], at: number): Peak<Proof> | undefined {
    const { proofs, peaks } = this.#latestExpiry[state];
    return peaks[countBefore(proofs, at, ({ to }) => to) - 1];
  }

  /** The latest it can have expired while in `state`, by calls sent by a moment; without the store's slack. */
  latestExpiry(state: Proof["state"], sent: { readonly before: number } | { readonly upTo: number }): number {
    return (state === "active" ? this.#whileActive : this.#whilePending).by(sent);
  }

  #cuts(): Cut[] {
    const { story, agentId, token } = this.life;
    const cuts: Cut[] = [];
    for (const call of story.releases) {
      const { request, answer, from, to, logged } = call;
      if (request.kind !== "revoke" && request.agentId !== agentId) continue;
      if (request.kind === "release" && request.token !== undefined && request.token !== token) continue;
      const done = answer === null || ["released", "cancelled", "revoked"].includes(answer.status);
      // A soft revoke ends at once only what is pending.
      const onlyPending = answer === null && request.kind === "revoke" && request.graceMs > 0;
      if (done) cuts.push({ from, to, leastMs: 0, expiresMs: FOREVER, onlyPending, call: logged });
    }
    for (const call of story.acquires) {
      const { request, answer, from, to, logged } = call;
      if (request.agentId !== agentId || answer?.status === "ended") continue;
      const queuedMs = isQueueing(call) ? request.waitTtlMs : FOREVER;
      const leftMs = isQueueing(call) ? request.waitTtlMs : 0;
      const cut = { from, to, onlyPending: true, call: logged };
      if (answer === null)
        cuts.push({
          ...cut,
          leastMs: Math.min(this.ttlMs, leftMs),
          expiresMs: Math.min(this.ttlMs, queuedMs),
        });
      else if (answer.status === "granted") cuts.push({ ...cut, leastMs: this.ttlMs, expiresMs: this.ttlMs });
      else cuts.push({ ...cut, leastMs: leftMs, expiresMs: queuedMs });
    }
    return cuts.sort((a, b) => a.from - b.from);
  }

  #proofs(): Proof[] {
    const { sightings, story } = this.life;
    const isHandedOver = story.acquires.some(mayBeHandedOver);
    const cutOf: Record<Proof["state"], Soonest> = {
      active: new Soonest(
        this.cuts.filter(({ onlyPending }) => !onlyPending),
        ({ leastMs }) => leastMs,
      ),
      pending: new Soonest(this.cuts, ({ leastMs }) => leastMs),
    };
    const expiryCutOf = new Soonest(this.cuts, ({ expiresMs }) => expiresMs);
    return sightings.map((sighting): Proof => {
      const { from, to, state, call, promisedMs } = sighting;
      let expiresFrom = promisedMs === null ? from : Math.max(from, from + promisedMs - GRAIN_MS);
      if (state === "pending") {
        expiresFrom = Math.min(expiresFrom, expiryCutOf.after(sighting));
        if (isHandedOver) expiresFrom = Math.min(expiresFrom, Math.max(from, from + this.ttlMs - GRAIN_MS));
      }
      return {
        from,
        to,
        state,
        call,
        expiresFrom,
        until: Math.min(expiresFrom, cutOf[state].after(sighting)),
      };
    });
  }

  #pendingExpiry({ restarts = [] }: JudgeOptions): Expiry {
    const { story, agentId } = this.life;
    const own = story.acquires.filter(({ request }) => request.agentId === agentId);
    const waitTtl = ({ request }: AcquireCall) => rounded(request.waitTtlMs, this.#limits);
    const entering = own.filter(({ from }) => from <= this.enteredBy);
    const extensions: Extension[] = [];
    for (const call of own) {
      if (call.answer === null) {
        const byMs = Math.max(this.ttlMs, isQueueing(call) ? waitTtl(call) : 0);
        extensions.push({ from: call.from, until: NEVER, byMs });
      } else if (call.answer.status === "refused" && call.answer.lease?.token === this.life.token) {
        extensions.push({ from: call.from, until: call.to + waitTtl(call), byMs: 0 });
      }
    }
    // Handed over, it has its whole TTL from then on, and nobody need have been told.
    const handedOverMs = own.some(mayBeHandedOver) ? this.ttlMs : 0;
    const base = this.enteredBy + greatest(entering, waitTtl) + handedOverMs;
    return new Expiry(base, [...extensions, ...this.#orphaned(restarts)], this.#limits.expirySlackMs);
  }

  #activeExpiry({ restarts = [] }: JudgeOptions): Expiry {
    const { story, agentId, token } = this.life;
    const extensions: Extension[] = [];
    for (const call of story.renewals) {
      const { request, answer, from, to } = call;
      if (request.agentId !== agentId || (request.token !== undefined && request.token !== token)) continue;
      const ttlMs = this.#renewedFor(request);
      if (answer === null) {
        const latest = this.#countedBy(call);
        const mayStillCome = latest === FOREVER;
        const until = mayStillCome ? NEVER : latest + ttlMs;
        extensions.push({ from, until, byMs: mayStillCome ? ttlMs : 0 });
      } else if (answer.status === "renewed" && answer.lease.token === token && !answer.repeated) {
        extensions.push({ from, until: to + ttlMs, byMs: 0 });
      }
    }
    return new Expiry(
      this.activeBy + this.ttlMs,
      [...extensions, ...this.#orphaned(restarts)],
      this.#limits.expirySlackMs,
    );
  }

  #renewedFor(request: RenewRequest): number {
    return request.ttlMs === undefined ? this.ttlMs : rounded(request.ttlMs, this.#limits);
  }

  /** By when an unanswered renewal was overtaken by its own count, so that it extends nothing any more. */
  #countedBy({ request }: RenewCall): number {
    const { renewal } = request;
    if (renewal === undefined || !countsRenewals(this.life, this.#limits)) return FOREVER;
    const later = this.life.sightings.filter(({ renewals }) => renewals !== null && renewals >= renewal);
    return earliest(later)?.to ?? FOREVER;
  }

  #orphaned(restarts: readonly number[]): Extension[] {
    const byMs = this.ttlMs * this.#limits.orphanSlackTtls;
    return restarts.map((from) => ({ from, until: NEVER, byMs }));
  }
}

/** Whether the renewals of a lease are counted at all. */
export function countsRenewals(life: Life, limits: JudgeLimits): boolean {
  const maxRenewals = life.lease?.maxRenewals ?? acquireOf(life)?.request.maxRenewals ?? null;
  return limits.renewals !== "uncounted" || maxRenewals !== null;
}

/** A TTL as the store rounds it. */
export function rounded(ttlMs: number, { ttlStepMs }: JudgeLimits): number {
  return Math.ceil(ttlMs / ttlStepMs) * ttlStepMs;
}

/** The greatest value, 0 for no item. */
function greatest<T>(items: readonly T[], sizeOf: (item: T) => number): number {
  return items.reduce((most, item) => Math.max(most, sizeOf(item)), 0);
}

function earliest<T extends Sighting | Absence>(seen: readonly T[]): T | undefined {
  let first: T | undefined;
  for (const one of seen) if (first === undefined || one.to < first.to) first = one;
  return first;
}

/** How late an expiry can be, by the calls sent before a moment. */
class Expiry {
  readonly #base: number;
  readonly #extensions: readonly Extension[];
  readonly #latest: number[] = [];

  constructor(base: number, extensions: readonly Extension[], slackMs: number) {
    this.#base = base;
    this.#extensions = [...extensions].sort((a, b) => a.from - b.from);
    let until = base;
    let byMs = 0;
    for (const extension of this.#extensions) {
      until = Math.max(until, extension.until);
      // What was sent when the lease was over already, revives nothing.
      if (extension.from <= until + byMs + slackMs) byMs += extension.byMs;
      this.#latest.push(until + byMs);
    }
  }

  by(sent: { readonly before: number } | { readonly upTo: number }): number {
    const at = "before" in sent ? sent.before : sent.upTo;
    const count = countBefore(this.#extensions, at, ({ from }) => from, "upTo" in sent);
    return this.#latest[count - 1] ?? this.#base;
  }
}

/** The soonest that something after a sighting can have ended the lease, or have it end. Asked in order of time. */
class Soonest {
  readonly #cuts: readonly Cut[];
  readonly #leastMs: (cut: Cut) => number;
  /** The soonest end by those from here on, were each applied when it was sent. */
  readonly #fromHere: number[];
  #next = 0;
  #open: Cut[] = [];
  #openForEver = FOREVER;

  constructor(cuts: readonly Cut[], leastMs: (cut: Cut) => number) {
    this.#cuts = cuts;
    this.#leastMs = leastMs;
    this.#fromHere = new Array<number>(cuts.length + 1).fill(FOREVER);
    for (let index = cuts.length - 1; index >= 0; index -= 1) {
      const cut = cuts[index] as Cut;
      this.#fromHere[index] = Math.min(this.#fromHere[index + 1] as number, cut.from + leastMs(cut));
    }
  }

  after({ from, call }: Sighting): number {
    for (
      let cut = this.#cuts[this.#next];
      cut !== undefined && cut.from <= from;
      cut = this.#cuts[this.#next]
    ) {
      this.#next += 1;
      if (cut.to === FOREVER) this.#openForEver = Math.min(this.#openForEver, this.#leastMs(cut));
      else this.#open.push(cut);
    }
    this.#open = this.#open.filter(({ to }) => to >= from);
    let leastMs = this.#openForEver;
    for (const cut of this.#open) if (cut.call !== call) leastMs = Math.min(leastMs, this.#leastMs(cut));
    return Math.max(from, Math.min(from + leastMs, this.#fromHere[this.#next] as number) - GRAIN_MS);
  }
}
