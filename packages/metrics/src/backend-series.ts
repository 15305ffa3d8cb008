/**
 * The series of a backend, each present from zero with all of its labels. Labels take their values from fixed sets:
 * never a resource, an agent or an id.
 */
import { CALL_BUCKETS, LIFE_BUCKETS } from "./buckets.js";
import { CODE_LABELS } from "./codes.js";
import { Counter, Family, Gauge, Histogram, type MetricsRegistry } from "./series.js";

/** The operations that are one step, and so have a time worth telling. */
const STEPS = ["acquire", "renew", "release", "list", "sweep", "close"] as const;
/** Those that last for as long as the caller wants. */
const LASTING = ["turn", "changes"] as const;

export type Step = (typeof STEPS)[number];
export type Operation = Step | (typeof LASTING)[number];

const ACQUIRE_RESULTS = ["granted", "repeated", "queued", "waiting", "refused", "ended", "failed"] as const;
const RENEW_RESULTS = [
  "renewed",
  "repeated",
  "out-of-order",
  "expired",
  "revoked",
  "renewal-limit",
  "not-owner",
  "not-found",
  "pending",
  "failed",
] as const;
const RELEASE_RESULTS = [
  "released",
  "cancelled",
  "revoked",
  "revoking",
  "not-owner",
  "not-found",
  "failed",
] as const;
const ENDS = ["released", "expired", "revoked"] as const;

export const STATES = ["pending", "active"] as const;
/** `mixed`: a lease with claims of both modes. */
export const MODES = ["exclusive", "shared", "mixed"] as const;

export type BackendSeries = ReturnType<typeof backendSeries>;

/** Makes the series of the backend called `backend`, or finds them. */
export function backendSeries(registry: MetricsRegistry, backend: string) {
  const counter = (name: string, help: string) =>
    Family.of(registry, { name, help, type: "counter", create: () => new Counter() });
  const histogram = (name: string, help: string, buckets: readonly number[]) =>
    Family.of(registry, { name, help, type: "histogram", create: () => new Histogram(buckets) });

  const operations = [...STEPS, ...LASTING] as const;
  const errors = counter(
    "lease_backend_errors_total",
    "Calls of the backend that threw, by operation and error code.",
  );

  return {
    calls: counter("lease_backend_calls_total", "Calls of the backend, by operation.").by(
      operations,
      (operation) => ({ backend, operation }),
    ),
    callTime: histogram(
      "lease_backend_call_duration_seconds",
      "How long calls of the backend took that are one step; sweeping is the operation sweep.",
      CALL_BUCKETS,
    ).by(STEPS, (operation) => ({ backend, operation })),
    errors: Object.fromEntries(
      operations.map((operation) => [
        operation,
        errors.by(CODE_LABELS, (code) => ({ backend, operation, code })),
      ]),
    ) as Record<Operation, Readonly<Record<string, Counter>>>,
    acquires: counter(
      "lease_acquires_total",
      "Answers to acquire: granted, repeated (an earlier grant), queued (enters the queue), waiting (asks again while queued), refused, ended, failed.",
    ).by(ACQUIRE_RESULTS, (result) => ({ backend, result })),
    conflicts: counter("lease_conflicts_total", "Requests that found a blocker, each counted once.").series({
      backend,
    }),
    waitTime: histogram(
      "lease_wait_duration_seconds",
      "Time between entering the queue and the grant, by the store's own record; 0 for a grant at once.",
      LIFE_BUCKETS,
    ).series({ backend }),
    renewals: counter("lease_renewals_total", "Answers to renewals.").by(RENEW_RESULTS, (result) => ({
      backend,
      result,
    })),
    releases: counter("lease_releases_total", "Answers to releases and revokes.").by(
      RELEASE_RESULTS,
      (result) => ({ backend, result }),
    ),
    holdTime: histogram(
      "lease_hold_duration_seconds",
      "Time between the grant and the end of leases whose grant and end both went through this process.",
      LIFE_BUCKETS,
    ).by(ENDS, (end) => ({ backend, end })),
    sweptLeases: counter(
      "lease_sweep_expired_leases_total",
      "Leases that sweeps of this process ended.",
    ).series({ backend }),
    prunedEvents: counter(
      "lease_sweep_pruned_events_total",
      "History entries that sweeps of this process pruned.",
    ).series({ backend }),
  };
}

/** The gauges of what is live in the whole store. Workers of a cluster see the same, so the largest is shown. */
export function liveFamilies(registry: MetricsRegistry) {
  const gauge = (name: string, help: string) =>
    Family.of(registry, { name, help, type: "gauge", aggregator: "max", create: () => new Gauge() });
  return {
    leases: gauge(
      "lease_live_leases",
      "Live leases of the whole store, when it was last counted, by state (pending: queued) and mode of the claims.",
    ),
    longestQueue: gauge(
      "lease_longest_queue_requests",
      "Requests queued for the resource that most of them name, when the store was last counted.",
    ),
    countedAt: gauge(
      "lease_live_counted_timestamp_seconds",
      "When the live leases were last counted, in seconds since 1970; 0 if never.",
    ),
  };
}
