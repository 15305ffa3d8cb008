/**
 * The receiving side of fencing tokens: what keeps a holder that lost its lease without knowing it (paused, stopped,
 * cut off) from writing over the work of the next one.
 *
 * No lease can do that alone: between the holder's last look at the clock and the arrival of its write, any time may
 * pass. So the holder sends its token along with each write, and **the receiver that stores the thing** refuses a token that is
 * older than what it has already taken. Check and write must be **one atomic step** on the receiver: one
 * transaction, one script, one turn of the event loop. Check first and write after, and a newer holder's write fits
 * in between: then the guard guards nothing.
 *
 * Two bars are kept for each *thing written*, not for each claim: a lease on `src/**` and one on `src/a.ts` write
 * the same file, and meet at its bars. Readers that share a lease may write side by side (say, each its own row of
 * one table), so a shared token does not bar another shared one; between all others order decides.
 *
 * **A holder that reads, changes and writes back raises the bar at the read too**: ask the receiver for the text with the token,
 * and let it admit that like a write. With writes alone, a stale write can still be admitted between a successor's
 * read and its first write, and the successor then writes over it: an update that was acknowledged is lost.
 *
 * Sources: M. Kleppmann, "How to do distributed locking" (2016), for tokens checked by the storage; M. Burrows,
 * "The Chubby lock service" (OSDI 2006, section 2.4), whose sequencers carry the mode as well; C. Gray and
 * D. Cheriton, "Leases" (SOSP 1989), for why a lease alone trusts clocks and delays.
 */
import { checkInteger, checkMode, checkObject, checkThing } from "./backend/check.js";
import { LeaseError } from "./errors.js";
import type { Mode } from "./model/model.js";

/** What a holder sends along with a write. */
export interface Fence {
  /** The lease's fencing token. */
  readonly token: number;
  /** How the lease claims the thing. Left out: `exclusive`, the stricter one. */
  readonly mode?: Mode | undefined;
}

/** The highest tokens that a thing has taken writes of, by mode; 0 where there was none. */
export interface FenceBars {
  readonly exclusive: number;
  readonly shared: number;
}

/** The bars of a thing that was never written. */
export const NO_BARS: FenceBars = Object.freeze({ exclusive: 0, shared: 0 });

/** What becomes of one write. */
export type FenceVerdict =
  | {
      readonly admitted: true;
      /** What to store, in the same atomic step as the write. */
      readonly bars: FenceBars;
    }
  | {
      readonly admitted: false;
      /** What the token had to reach. */
      readonly bar: number;
    };

/**
 * Decides on one write: an exclusive token must reach both bars, a shared one the exclusive bar, and each raises its
 * own. The same token is admitted again, so a holder writes as often as it likes and a repeat does no harm.
 *
 * For receivers with a store of their own: read the bars, call this, and write the thing and its new bars, all in
 * one atomic step. In SQL that is one statement, refused when it changed no row of a thing that is there:
 *
 * ```sql
 * -- exclusive
 * UPDATE things SET body = :body, fence_exclusive = :token
 *  WHERE name = :name AND fence_exclusive <= :token AND fence_shared <= :token;
 * -- shared
 * UPDATE things SET body = :body, fence_shared = max(fence_shared, :token) -- greatest() in other dialects
 *  WHERE name = :name AND fence_exclusive <= :token;
 * ```
 *
 * A thing that is deleted must leave its bars behind, or a stale holder can bring it back.
 *
 * @throws `INVALID_ARGUMENT` naming the field, for bars too: numbers that a driver returned as text or bigint would
 * compare wrongly
 */
export function admitFence(bars: FenceBars, fence: Fence): FenceVerdict {
  checkObject(bars, "bars");
  checkInteger(bars.exclusive, "bars.exclusive", 0, Number.MAX_SAFE_INTEGER);
  checkInteger(bars.shared, "bars.shared", 0, Number.MAX_SAFE_INTEGER);
  checkObject(fence, "fence");
  const { token, mode = "exclusive" } = fence;
  checkInteger(token, "fence.token", 1, Number.MAX_SAFE_INTEGER);
  checkMode(mode, "fence.mode");

  const bar = mode === "exclusive" ? Math.max(bars.exclusive, bars.shared) : bars.exclusive;
  if (token < bar) return { admitted: false, bar };
  return { admitted: true, bars: { ...bars, [mode]: Math.max(bars[mode], token) } };
}

/**
 * {@link admitFence} as a statement, for receivers with a store of their own.
 *
 * @returns the bars to store, in the same atomic step as the write
 * @throws `FENCED` naming `thing`; `INVALID_ARGUMENT` as `admitFence`
 */
export function assertFence(thing: string, bars: FenceBars, fence: Fence): FenceBars {
  const verdict = admitFence(bars, fence);
  if (verdict.admitted) return verdict.bars;
  throw fenced(thing, fence, verdict.bar);
}

/**
 * A guard in memory, for a receiver inside one process whose writes are synchronous: the check and the write are
 * then one turn of the event loop, and nothing fits in between.
 *
 * Does not guard: what other processes write, writes that go on after `write` returned (anything awaited), and
 * what stale holders send after a restart, which forgets the bars. A receiver with a database keeps the bars there,
 * see {@link admitFence}. It keeps two numbers for every thing ever written.
 *
 * @example
 * const guard = new FencingGuard();
 * guard.write("config", { token: lease.token }, () => { config = next; });
 */
export class FencingGuard {
  readonly #bars = new Map<string, FenceBars>();

  /** Where the bars of a thing stand. */
  bars(thing: string): FenceBars {
    return this.#bars.get(thing) ?? NO_BARS;
  }

  /**
   * Admits a write that follows at once, in the same synchronous stretch of code: an `await` in between, and the
   * guard guards nothing. Prefer {@link FencingGuard.write}, which leaves no room for one.
   *
   * @param thing - the receiver's own name for what is written. One thing must have one name: two spellings are two
   * things to the guard
   * @throws `FENCED` when a newer holder has already written; `INVALID_ARGUMENT` naming the field
   */
  admit(thing: string, fence: Fence): void {
    checkThing(thing, "thing");
    this.#bars.set(thing, assertFence(thing, this.bars(thing), fence));
  }

  /**
   * Checks and writes in one step. A `write` that throws leaves the bars raised: the newer holder is there all the
   * same, and may try again.
   *
   * @param write - synchronous; an async function is refused, as its writing would end after the check
   * @returns what `write` returns
   * @throws as {@link FencingGuard.admit}, and whatever `write` throws
   */
  write<T>(thing: string, fence: Fence, write: () => Synchronous<T>): T {
    this.admit(thing, fence);
    const result: unknown = write();
    if (isPromiseLike(result)) {
      // It runs already; what is left is to say so, and not to let its failure end the process on top of that.
      result.then(undefined, () => {});
      throw new LeaseError(
        "INVALID_ARGUMENT",
        "write returned a promise, so its writing goes on after the check: do it synchronously, or keep the bars where the write is one transaction (admitFence)",
        { field: "write" },
      );
    }
    return result as T;
  }
}

/** Makes an async `write` a type error. */
type Synchronous<T> = T extends PromiseLike<unknown> ? never : T;

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

function fenced(thing: string, { token, mode = "exclusive" }: Fence, bar: number): LeaseError<"FENCED"> {
  return new LeaseError(
    "FENCED",
    `"${thing}" was already written with the newer token ${bar}: the lease of token ${token} is over, stop its work. Nothing was written.`,
    { thing, token, mode, bar },
  );
}
