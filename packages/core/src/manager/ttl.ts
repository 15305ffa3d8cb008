/**
 * TTLs that follow the situation: shorter leases under load or contention give others their turn sooner when a holder
 * dies, at the price of more renewals.
 */

import type { LeaseBackend } from "../backend/backend.js";
import { checkNumber } from "../backend/check.js";
import { invalidArgument } from "../errors.js";
import { MAX } from "../model/max.js";
import type { TtlPolicy, TtlRequest } from "./api.js";
import { isTransient } from "./backoff.js";

/** How loaded something is: 0 idle, 1 full; more is taken as full. Asked once for each request. */
export type LoadSource = (request: TtlRequest) => number | Promise<number>;

/** The bounds of an adaptive TTL, and what it follows. */
export interface AdaptiveTtlOptions {
  /** The TTL at full load. */
  readonly minMs: number;
  /** The TTL without load. */
  readonly maxMs: number;
  /** For example `eventLoopUtilization` and `loadAverage` of `@lease/core/load`. */
  readonly load: LoadSource;
  /** Up to this load the TTL stays at `maxMs`; from there it falls in a straight line. Default 0.7. */
  readonly threshold?: number;
}

/**
 * A TTL between `maxMs` and `minMs`, falling with the load above a threshold.
 *
 * @throws `INVALID_ARGUMENT` naming the option; when asked, what `load` throws
 */
export function adaptiveTtl(options: AdaptiveTtlOptions): TtlPolicy {
  const { minMs, maxMs, load, threshold = 0.7 } = options;
  checkNumber(minMs, "minMs", 1);
  checkNumber(maxMs, "maxMs", minMs);
  checkNumber(threshold, "threshold", 0);
  if (threshold >= 1) {
    throw invalidArgument("threshold", "must be below 1, the full load");
  }
  return async (request) => {
    const now = await load(request);
    checkNumber(now, "load", 0);
    const above = Math.min(1, Math.max(0, (now - threshold) / (1 - threshold)));
    return Math.round(maxMs - above * (maxMs - minMs));
  };
}

/** The bounds of a TTL under contention, and where to count waiters. */
export interface ContentionTtlOptions {
  readonly backend: LeaseBackend;
  /** The TTL once `full` others wait for what is asked for. */
  readonly minMs: number;
  /** The TTL where nothing is queued. */
  readonly maxMs: number;
  /** This many waiters count as full load. Default 8. */
  readonly full?: number;
}

/**
 * A TTL that falls in a straight line, from the first waiter on, with the number of requests queued for what the request
 * asks for: leases are shorter where they are wanted, so that others are served sooner should the holder die. Costs a
 * listing for each claim; a store that cannot be reached counts as no load, since the request itself will report it.
 *
 * @throws `INVALID_ARGUMENT` naming the option
 */
export function contentionTtl({ backend, minMs, maxMs, full = 8 }: ContentionTtlOptions): TtlPolicy {
  checkNumber(full, "full", 1);
  const limit = Math.min(MAX.page, Math.ceil(full));
  const load: LoadSource = async ({ claims }) => {
    const waiting = new Set<string>();
    try {
      for (const { resource } of claims) {
        const { leases } = await backend.list({ resource, state: "pending", limit });
        for (const lease of leases) waiting.add(lease.id);
        if (waiting.size >= full) break;
      }
    } catch (error) {
      if (!isTransient(error)) throw error;
    }
    return waiting.size / full;
  };
  return adaptiveTtl({ minMs, maxMs, threshold: 0, load });
}
