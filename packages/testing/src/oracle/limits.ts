/** What the judge has to know of a store. Restated, so that it is independent of the types that stores are built on. */

/** How far the times of a store may be off, and what it counts. `backend.limits` fits. */
export interface JudgeLimits {
  /** TTLs are rounded up to a multiple of this, and remaining times may be off by it. */
  readonly ttlStepMs: number;
  /** A lease may block this much longer than its time. */
  readonly expirySlackMs: number;
  /** How long an id that expired, was revoked or abandoned is answered `ended`, at least. */
  readonly endMemoryMs: number;
  /** How many TTLs more a lease may block after a restart. */
  readonly orphanSlackTtls: number;
  /** `"uncounted"`: without `maxRenewals` renewals are not counted. */
  readonly renewals: "recorded" | "counted" | "uncounted";
}

/** What the judge has to know of a run. */
export interface JudgeOptions {
  /** When all clients of the store, or its machine, were started anew, on the clock of the log. Default: never. */
  readonly restarts?: readonly number[];
  /**
   * Whether the network may deliver any message a second time at any later moment, without that standing in the log.
   * The judge can then forbid less. Default false.
   */
  readonly copies?: boolean;
  /** Whether a fault of the store may have ended leases before their time. Default false. */
  readonly endsEarly?: boolean;
}
