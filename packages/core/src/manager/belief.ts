/**
 * What a holder may still rely on, and until when: computed from the clocks at the moment of asking, never read from a
 * flag that a timer set. After a SIGSTOP or a blocked event loop the first answer is already right.
 */
import type { Clock } from "../clock.js";
import type { Grant, Sent } from "./context.js";
import { DEFAULTS } from "./defaults.js";

/**
 * - `sure`: the backend confirmed it for longer than until now.
 * - `suspect`: that time is over if the machine slept for as long as its clocks say.
 * - `over`: that time is over.
 */
export type Certainty = "sure" | "suspect" | "over";

/** The steps in which Linux shows the clock that counts sleep. */
const BOOT_GRAIN_MS = 10;
/** Sends within this, by both other clocks, share one reading of that clock, which takes 5 µs. */
const FRESH_MS = 100;

const readings = new WeakMap<Clock, { readonly at: number; readonly wall: number; readonly ahead: number }>();

/** How much sooner than the backend a holder stops relying on a lease: the grain of a clock, and the drift between two. */
export function marginMs(expiresInMs: number): number {
  return 1 + expiresInMs * DEFAULTS.driftPart;
}

/**
 * The moment of a send, now.
 *
 * @param freshMs - how old the reading of the clock that counts sleep may be
 */
export function sentNow(clock: Clock, freshMs = FRESH_MS): Sent {
  const sentWall = clock.wallNow();
  if (clock.bootNow === undefined) return { sentAt: clock.now(), sentWall, sentAhead: null };
  let reading = readings.get(clock);
  // An older reading errs on the safe side: it takes a sleep before the send for one after it.
  if (reading === undefined || Math.max(clock.now() - reading.at, sentWall - reading.wall) >= freshMs) {
    const boot = clock.bootNow();
    const at = clock.now();
    reading = { at, wall: sentWall, ahead: boot - at };
    readings.set(clock, reading);
  }
  return { sentAt: clock.now(), sentWall, sentAhead: reading.ahead };
}

/**
 * How long the machine slept since a send, by the clock that shows more of it. The wall clock hides a sleep when it is
 * set back by as much; the boot clock hides one shorter than two of its steps.
 */
function sleptMs(clock: Clock, { sentAt, sentWall, sentAhead }: Sent): number {
  const now = clock.now();
  const byWall = clock.wallNow() - sentWall - (now - sentAt);
  if (clock.bootNow === undefined || sentAhead === null) return byWall;
  const byBoot = clock.bootNow() - now - sentAhead;
  return Math.max(byWall, byBoot > BOOT_GRAIN_MS ? byBoot + BOOT_GRAIN_MS : 0);
}

export class Belief {
  readonly #clock: Clock;
  /** Ends it whatever the backend says. */
  readonly #capAt: number;
  /** On the monotonic clock; counted from the send of the answer that allowed it. */
  #until = 0;
  #sent: Sent;
  #endsBy: number;

  constructor(clock: Clock, grant: Grant, maxHoldMs: number) {
    this.#clock = clock;
    this.#capAt = grant.sentAt + maxHoldMs;
    this.#sent = grant;
    this.#endsBy = clock.now() + grant.lease.expiresInMs;
    this.confirm(grant.lease.expiresInMs, grant);
  }

  get certainty(): Certainty {
    if (this.isOver) return "over";
    return this.#clock.now() + sleptMs(this.#clock, this.#sent) < this.#until ? "sure" : "suspect";
  }

  /** By the monotonic clock alone, which costs less to ask. */
  get isOver(): boolean {
    return this.#clock.now() >= this.#until;
  }

  /** The deadline, on the monotonic clock. */
  get until(): number {
    return this.#until;
  }

  /** No answer moves the deadline any more. */
  get isCapped(): boolean {
    return this.#until >= this.#capAt;
  }

  /** By then the backend has surely ended the lease: where the deadline errs early, this errs late. */
  get endsBy(): number {
    return this.#endsBy;
  }

  /** Moves the deadline to what an answer allows: counted from the sending of the attempt that was answered. */
  confirm(expiresInMs: number, sent: Sent): void {
    const until = sent.sentAt + expiresInMs - marginMs(expiresInMs);
    // An answer that was long under way allows less than one before it, and both are true: the later one counts, with
    // the send of the same answer. But what was relied on before the machine slept is worth nothing.
    if (until <= this.#until && this.certainty === "sure") return;
    this.#until = Math.min(until, this.#capAt);
    this.#sent = sent;
  }

  /** The backend may keep the lease for so long from now, whether or not that may be relied on. */
  mayLiveFor(ms: number): void {
    this.#endsBy = Math.max(this.#endsBy, this.#clock.now() + ms);
  }
}
