/** The numbers that rounds come down to. */

/** The value that so large a part of the samples does not exceed; NaN of none. */
export function quantile(samples: readonly number[], part: number): number {
  const sorted = Float64Array.from(samples).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/** What rounds say together: the middle one, and between which values all lay. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Of an even number of rounds the mean of the two in the middle. */
export function spreadOf(rounds: readonly number[]): Spread {
  const sorted = Float64Array.from(rounds).sort();
  const [low, high] = [sorted[0] ?? Number.NaN, sorted.at(-1) ?? Number.NaN];
  const half = sorted.length / 2;
  const middle = [sorted[Math.ceil(half) - 1] ?? Number.NaN, sorted[Math.floor(half)] ?? Number.NaN];
  return { median: ((middle[0] as number) + (middle[1] as number)) / 2, low, high };
}

/**
 * Jain's index of fairness: 1 when everybody got the same, 1/n when one got everything (Jain, Chiu, Hawe 1984). 1 when
 * nobody got anything.
 */
export function jain(shares: readonly number[]): number {
  let [sum, squares] = [0, 0];
  for (const share of shares) {
    sum += share;
    squares += share * share;
  }
  return squares === 0 ? 1 : sum ** 2 / (shares.length * squares);
}

/** One wait in line: when it was asked for, and when it came; null where it had not come at the end. */
export interface Wait {
  readonly askedAt: number;
  readonly grantedAt: number | null;
}

/**
 * How many grants went past somebody who had been waiting for longer, by more than `slackMs`: two who ask at nearly the
 * same time may arrive either way round.
 */
export function overtakings(waits: readonly Wait[], slackMs: number): number {
  const at = ({ grantedAt }: Wait) => grantedAt ?? Number.POSITIVE_INFINITY;
  const lastFirst = [...waits].sort((a, b) => at(b) - at(a));
  let [count, longestWaiting] = [0, Number.POSITIVE_INFINITY];
  for (const { askedAt, grantedAt } of lastFirst) {
    if (grantedAt !== null && longestWaiting < askedAt - slackMs) count += 1;
    longestWaiting = Math.min(longestWaiting, askedAt);
  }
  return count;
}
