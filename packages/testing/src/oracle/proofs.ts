/** Until when a lease certainly lived: by what its agent was promised, less whatever can have ended it sooner. */
import type { AcquireCall, ReleaseCall } from "./calls.js";
import type { LoggedCall } from "./log.js";
import { isQueueing, type Life, mayBeHandedOver, type Sighting } from "./story.js";

/** Stores count in whole milliseconds, so a moment and a remaining time may each be off by one. */
export const GRAIN_MS = 1;

/** What one answer proves of a lease. */
export interface Proof {
  readonly from: number;
  readonly to: number;
  readonly state: "pending" | "active";
  readonly call: LoggedCall;
  /** It lived until then, whatever came after. */
  readonly until: number;
  /** It did not expire before that: only an act can have ended it sooner. */
  readonly expiresFrom: number;
}

/** A call that can end a lease, or bring its expiry forward. */
interface Cut {
  readonly from: number;
  readonly to: number;
  readonly call: LoggedCall;
  /** It touches only a pending lease. */
  readonly onlyPending: boolean;
  /** The lease lives for at least so long after it. */
  readonly livesMs: number;
  /** It expires no sooner than so long after it; `Infinity` for a call that ends it at once or not at all. */
  readonly expiresMs: number;
}

/** In order of when their answers were sent for. */
export function proofsOf(life: Life, ttlMs: number): Proof[] {
  const cuts = cutsOf(life, ttlMs);
  const cutsOfActive = cuts.filter(({ onlyPending }) => !onlyPending);
  const soonestEnd = {
    active: new Soonest(cutsOfActive, ({ livesMs }) => livesMs),
    pending: new Soonest(cuts, ({ livesMs }) => livesMs),
  };
  const soonestExpiry = new Soonest(cuts, ({ expiresMs }) => expiresMs);
  // The step that hands it over is another's, and its own agent sees nothing of it.
  const handedOverMs = life.story.acquires.some(mayBeHandedOver) ? ttlMs : Number.POSITIVE_INFINITY;
  return life.sightings.map((sighting): Proof => {
    const { from, to, state, call, promisedMs } = sighting;
    let leftMs = Math.max(0, (promisedMs ?? 0) - GRAIN_MS);
    if (state === "pending") leftMs = Math.min(leftMs, Math.max(0, handedOverMs - GRAIN_MS));
    const expiresFrom =
      state === "pending" ? Math.min(from + leftMs, soonestExpiry.after(sighting)) : from + leftMs;
    const until = Math.min(expiresFrom, soonestEnd[state].after(sighting));
    return { from, to, state, call, until, expiresFrom };
  });
}

function cutsOf(life: Life, ttlMs: number): Cut[] {
  const { acquires, releases } = life.story;
  const cuts = [
    ...releases.filter((call) => mayEnd(life, call)).map(cutByRelease),
    ...acquires
      .filter(({ request, answer }) => request.agentId === life.agentId && answer?.status !== "ended")
      .map((call) => cutByAcquire(call, ttlMs)),
  ];
  return cuts.sort((a, b) => a.from - b.from);
}

function mayEnd({ agentId, token }: Life, { request, answer }: ReleaseCall): boolean {
  if (answer !== null && !["released", "cancelled", "revoked"].includes(answer.status)) return false;
  if (request.kind === "revoke") return true;
  if (request.agentId !== agentId) return false;
  return request.kind === "abandon" || request.token === undefined || request.token === token;
}

function cutByRelease({ request, answer, from, to, logged }: ReleaseCall): Cut {
  // A soft revoke ends at once only what is pending.
  const onlyPending = answer === null && request.kind === "revoke" && request.graceMs > 0;
  return { from, to, call: logged, onlyPending, livesMs: 0, expiresMs: Number.POSITIVE_INFINITY };
}

/** A pending lease gets a new expiry by it, is granted, or leaves the queue. */
function cutByAcquire(call: AcquireCall, ttlMs: number): Cut {
  const { request, answer, from, to, logged } = call;
  const queued = isQueueing(call) ? request.waitTtlMs : null;
  const refused = { livesMs: queued ?? 0, expiresMs: queued ?? Number.POSITIVE_INFINITY };
  const granted = { livesMs: ttlMs, expiresMs: ttlMs };
  const cut = { from, to, call: logged, onlyPending: true };
  if (answer?.status === "granted") return { ...cut, ...granted };
  if (answer !== null) return { ...cut, ...refused };
  return {
    ...cut,
    livesMs: Math.min(refused.livesMs, granted.livesMs),
    expiresMs: Math.min(refused.expiresMs, granted.expiresMs),
  };
}

/** The soonest moment that any cut after a sighting can lead to. Asked in order of time. */
class Soonest {
  readonly #cuts: readonly Cut[];
  readonly #msOf: (cut: Cut) => number;
  /** By the cuts from each place on, had they their effect when they were sent. */
  readonly #fromHere: number[];
  #next = 0;
  /** Sent before the sighting, with an effect that may come after it. */
  #open: Cut[] = [];
  #openForEver = Number.POSITIVE_INFINITY;

  constructor(cuts: readonly Cut[], msOf: (cut: Cut) => number) {
    this.#cuts = cuts;
    this.#msOf = msOf;
    this.#fromHere = new Array<number>(cuts.length + 1).fill(Number.POSITIVE_INFINITY);
    for (let index = cuts.length - 1; index >= 0; index -= 1) {
      const cut = cuts[index] as Cut;
      this.#fromHere[index] = Math.min(this.#fromHere[index + 1] as number, cut.from + msOf(cut));
    }
  }

  after({ from, call }: Sighting): number {
    for (let cut = this.#cuts[this.#next]; cut !== undefined && cut.from <= from; ) {
      if (cut.to === Number.POSITIVE_INFINITY)
        this.#openForEver = Math.min(this.#openForEver, this.#msOf(cut));
      else this.#open.push(cut);
      this.#next += 1;
      cut = this.#cuts[this.#next];
    }
    this.#open = this.#open.filter(({ to }) => to >= from);
    let leastMs = this.#openForEver;
    for (const cut of this.#open) if (cut.call !== call) leastMs = Math.min(leastMs, this.#msOf(cut));
    return Math.max(from, Math.min(from + leastMs, this.#fromHere[this.#next] as number) - GRAIN_MS);
  }
}
