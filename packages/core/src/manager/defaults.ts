/** Every default of the manager in one place. Milliseconds throughout. */
export const DEFAULTS = Object.freeze({
  /** How long a lease lives from its grant or last renewal. */
  ttlMs: 30_000,
  /** How long `acquire` waits in the queue before it gives up. */
  waitMs: 30_000,
  /** How long a place in the queue outlives the last sign of its waiter: what a dead waiter costs those behind it. */
  waitTtlMs: 15_000,
  /** A waiter asks again after this part of `waitTtlMs`: two more tries fit before its place is lost. */
  heartbeatPart: 1 / 3,
  /** A lease is renewed after this part of its TTL, counted from the last send: two more tries fit. */
  renewPart: 1 / 3,
  /** Renewals are moved forward by up to this part of their interval, so that many holders spread out. */
  renewJitter: 0.1,
  /**
   * The holder stops believing this part of the time left too early, for the drift between two clocks. One percent,
   * the figure of Redlock (redis.io/docs/latest/develop/use/patterns/distributed-locks).
   */
  driftPart: 0.01,
  /** How long a request that failed waits for the store to confirm that it has left; beyond that it goes on behind. */
  leaveMs: 1_000,
  /** How long closing a manager goes on trying to release what the backend does not confirm. */
  closeMs: 10_000,
  /** First pause after a transient error of the backend; doubled each time. */
  retryFirstMs: 50,
  /** Longest such pause. */
  retryMostMs: 2_000,
});
