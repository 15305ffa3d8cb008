/** How long the machine slept, for what is counted on the monotonic clock, which stands still meanwhile. */
import { systemClock } from "@lease/core";

/** The steps of the clock that counts sleep. */
const GRAIN_MS = 10;
/** Within this, by both other clocks, calls share one reading of that clock, which takes 5 µs. */
const FRESH_MS = 100;

/** A moment on all clocks that there are. */
export interface Moment {
  readonly at: number;
  readonly wall: number;
  /** How far the clock that counts sleep was ahead of the monotonic one; `null` where there is none. */
  readonly ahead: number | null;
}

let reading = { at: Number.NEGATIVE_INFINITY, wall: 0, ahead: null as number | null };

/** Now. An older reading of the clock that counts sleep errs on the safe side: it takes a sleep before for one after. */
export function moment(): Moment {
  const [at, wall] = [performance.now(), Date.now()];
  if (Math.max(at - reading.at, Math.abs(wall - reading.wall)) >= FRESH_MS) {
    reading = { at, wall, ahead: aheadNow() };
  }
  return { at, wall, ahead: reading.ahead };
}

/** Ms since a moment, by the clock that shows most: the wall clock may be set back, the monotonic one stands still in a sleep. */
export function msSince({ at, wall, ahead }: Moment): number {
  const awake = performance.now() - at;
  const aheadBy = ahead === null ? 0 : (aheadNow() ?? ahead) - ahead;
  return Math.max(awake, Date.now() - wall, awake + (aheadBy > GRAIN_MS ? aheadBy + GRAIN_MS : 0));
}

function aheadNow(): number | null {
  const boot = systemClock.bootNow?.();
  return boot === undefined ? null : boot - performance.now();
}
