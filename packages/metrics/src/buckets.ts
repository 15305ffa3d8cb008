/** Bounds of the histograms, in seconds. */

/** One step of a store: from a memory backend's microseconds to a call that runs into its bound. */
export const CALL_BUCKETS: readonly number[] = Object.freeze([
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
]);

/** Waiting and holding: from nothing to hours. The defaults for a TTL and a wait, 30 s, lie in the middle. */
export const LIFE_BUCKETS: readonly number[] = Object.freeze([
  0.001, 0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600,
]);

/** Renewals are sent at a third of the TTL: late by two thirds of 30 s is as good as lost. */
export const LATENESS_BUCKETS: readonly number[] = Object.freeze([
  0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20,
]);
