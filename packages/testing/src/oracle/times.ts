/**
 * When one lease can have begun, been granted and ended, all of it by what was sent and answered. `…By` is a moment by
 * which something is certain, `…From` one before which it cannot have been.
 */
import { heldExpiry, type LatestExpiry, queuedExpiry, rounded, type SentBy } from "./latest-expiry.js";
import type { JudgeLimits, JudgeOptions } from "./limits.js";
import type { LoggedCall } from "./log.js";
import { type Proof, proofsOf } from "./proofs.js";
import { countBefore, greatest, least, type Peak, runningMax } from "./sorted.js";
import { beginningOf, type Life } from "./story.js";

export class LeaseTimes {
  readonly life: Life;
  readonly id: string;
  readonly agentId: string;
  readonly token: number;
  readonly ttlMs: number;
  /** It entered no sooner; `Infinity` if no acquire can have begun it. */
  readonly enteredFrom: number;
  readonly enteredBy: number;
  readonly enteredCall: LoggedCall | undefined;
  /** `Infinity` if it was never shown as active. */
  readonly activeBy: number;
  readonly activeCall: LoggedCall | undefined;
  /** By then an answer showed that it was gone; otherwise `Infinity`. */
  readonly goneBy: number;
  readonly goneCall: LoggedCall | undefined;
  /** It certainly lived until then, and what proves it; `undefined` if nothing does. */
  readonly lived: Peak<Proof> | undefined;
  /** After that it cannot have lived. */
  readonly overBy: number;
  /** After that nothing in the log speaks of it. */
  readonly lastSign: number;
  /** By when their answers were sent for. */
  readonly #proofs: readonly Proof[];
  readonly #lived: readonly Peak<Proof>[];
  readonly #soonest: Record<
    Proof["state"],
    { readonly proofs: readonly Proof[]; readonly peaks: Peak<Proof>[] }
  >;
  readonly #latest: Record<Proof["state"], LatestExpiry>;

  /** @param predecessorLivedUntil - an earlier lease of the same id certainly lived until then */
  constructor(life: Life, predecessorLivedUntil: number, limits: JudgeLimits, options: JudgeOptions) {
    const { sightings, story } = life;
    const { restarts = [], endsEarly = false } = options;
    this.life = life;
    this.id = story.id;
    this.agentId = life.agentId;
    this.token = life.token;
    const asked = greatest(story.acquires, ({ request }) => request.ttlMs);
    this.ttlMs = life.lease?.ttlMs ?? rounded(asked, limits);
    const begun = beginningOf(life)?.from ?? Number.POSITIVE_INFINITY;
    this.enteredFrom = Math.max(begun, predecessorLivedUntil);
    const entered = least(sightings, ({ to }) => to);
    this.enteredBy = entered?.to ?? Number.POSITIVE_INFINITY;
    this.enteredCall = entered?.call;
    const active = least(
      sightings.filter(({ state }) => state === "active"),
      ({ to }) => to,
    );
    this.activeBy = active?.to ?? Number.POSITIVE_INFINITY;
    this.activeCall = active?.call;
    const gone = least(
      story.absences.filter(({ from }) => from > this.enteredBy),
      ({ to }) => to,
    );
    this.goneBy = gone?.to ?? Number.POSITIVE_INFINITY;
    this.goneCall = gone?.call;

    this.#proofs = endsEarly ? [] : proofsOf(life, this.ttlMs);
    this.#lived = runningMax(this.#proofs, ({ until }) => until);
    this.#soonest = { pending: soonest(this.#proofs, "pending"), active: soonest(this.#proofs, "active") };
    this.#latest = {
      pending: queuedExpiry(life, this, limits, restarts),
      active: heldExpiry(life, this, limits, restarts),
    };
    const latest = this.latestExpiry(active === undefined ? "pending" : "active", {
      upTo: Number.POSITIVE_INFINITY,
    });
    this.overBy = Math.min(this.goneBy, latest + limits.expirySlackMs);
    this.lived = this.#lived.at(-1);
    this.lastSign = Math.max(this.overBy, this.lived?.value ?? this.overBy);
  }

  /** As `lived`, by the answers to calls that were sent up to a moment. */
  livedBy(sentBy: number): Peak<Proof> | undefined {
    return this.#lived[countBefore(this.#proofs, sentBy, ({ from }) => from, true) - 1];
  }

  /** Whether it certainly lived from `from` to `to`: then what proves it. */
  livedThrough(from: number, to: number): Proof | null {
    const { lived } = this;
    return lived !== undefined && this.enteredBy < from && lived.value > to ? lived.item : null;
  }

  /** The soonest it can have expired in a state, by answers that were there before a moment. */
  soonestExpiry(state: Proof["state"], answeredBefore: number): Peak<Proof> | undefined {
    const { proofs, peaks } = this.#soonest[state];
    return peaks[countBefore(proofs, answeredBefore, ({ to }) => to) - 1];
  }

  /** The latest it can have expired in a state, without the store's slack. */
  latestExpiry(state: Proof["state"], sent: SentBy): number {
    return this.#latest[state].by(sent);
  }
}

function soonest(all: readonly Proof[], state: Proof["state"]) {
  const proofs = all.filter((proof) => proof.state === state).sort((a, b) => a.to - b.to);
  return { proofs, peaks: runningMax(proofs, ({ expiresFrom }) => expiresFrom) };
}
