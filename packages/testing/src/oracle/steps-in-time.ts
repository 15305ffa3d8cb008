/** Small tools for questions about a list in order of time. */

/** How many items of a list, sorted by `key`, have a key below (or, with `inclusive`, at most) `at`. */
export function countBefore<T>(
  sorted: readonly T[],
  at: number,
  key: (item: T) => number,
  inclusive = false,
): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const value = key(sorted[middle] as T);
    if (value < at || (inclusive && value === at)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The greatest value so far, and the item that has it, at each place of a list. */
export function runningMax<T>(items: readonly T[], sizeOf: (item: T) => number): Peak<T>[] {
  const peaks: Peak<T>[] = [];
  let peak: Peak<T> | undefined;
  for (const item of items) {
    const value = sizeOf(item);
    if (peak === undefined || value > peak.value) peak = { value, item };
    peaks.push(peak);
  }
  return peaks;
}

export interface Peak<T> {
  readonly value: number;
  readonly item: T;
}
