/** Questions about a list that is sorted by a number, most often a time. */

/** How many items come before `at`: those with a smaller key, and with `inclusive` also those with the same. */
export function countBefore<T>(
  sorted: readonly T[],
  at: number,
  keyOf: (item: T) => number,
  inclusive = false,
): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const key = keyOf(sorted[middle] as T);
    if (key < at || (inclusive && key === at)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The greatest value up to a place of a list, and the item that has it. */
export interface Peak<T> {
  readonly value: number;
  readonly item: T;
}

/** For each place of a list the greatest value up to it. */
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

/** The item with the smallest value, the first of several. */
export function least<T>(items: readonly T[], sizeOf: (item: T) => number): T | undefined {
  let found: T | undefined;
  for (const item of items) if (found === undefined || sizeOf(item) < sizeOf(found)) found = item;
  return found;
}

/** The greatest value; 0 for no item. */
export function greatest<T>(items: readonly T[], sizeOf: (item: T) => number): number {
  return items.reduce((most, item) => Math.max(most, sizeOf(item)), 0);
}
