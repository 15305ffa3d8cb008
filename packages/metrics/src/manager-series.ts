/** The series of managers, each present from zero with all of its labels. */
import type { LeaseError } from "@lease/core";
import { LATENESS_BUCKETS, LIFE_BUCKETS } from "./buckets.js";
import { Counter, Family, Gauge, Histogram, type MetricsRegistry } from "./series.js";

/** How a request ended. `aborted`: by the caller's signal. `closed`: the manager drained or closed. */
const REQUEST_RESULTS = ["granted", "refused", "deadlock", "aborted", "closed", "failed"] as const;
export type RequestResult = (typeof REQUEST_RESULTS)[number];

export type LossReason = LeaseError<"LEASE_LOST">["details"]["how"] | "renewal-limit";
const LOSS_REASONS = Object.keys({
  deadline: true,
  expired: true,
  revoked: true,
  "max-hold": true,
  suspect: true,
  "not-found": true,
  released: true,
  cancelled: true,
  "renewal-limit": true,
} satisfies Record<LossReason, true>) as LossReason[];

/** Makes the series of the managers on the backend called `backend`, or finds them. */
export function managerSeries(registry: MetricsRegistry, backend: string) {
  const counter = (name: string, help: string) =>
    Family.of(registry, { name, help, type: "counter", create: () => new Counter() });
  const gauge = (name: string, help: string) =>
    Family.of(registry, { name, help, type: "gauge", create: () => new Gauge() });
  const histogram = (name: string, help: string, buckets: readonly number[]) =>
    Family.of(registry, { name, help, type: "histogram", create: () => new Histogram(buckets) });

  return {
    requests: counter(
      "lease_manager_requests_total",
      "Requests of this process that were answered: granted, refused (not in time), deadlock, aborted, closed, failed.",
    ).by(REQUEST_RESULTS, (result) => ({ backend, result })),
    waiting: gauge(
      "lease_manager_waiting_requests",
      "Requests of this process that have no answer yet.",
    ).series({ backend }),
    waitTime: histogram(
      "lease_manager_wait_duration_seconds",
      "Time between a request of this process and its answer.",
      LIFE_BUCKETS,
    ).by(["granted", "refused", "failed"], (result) => ({ backend, result })),
    held: gauge("lease_manager_held_leases", "Leases that this process holds.").series({ backend }),
    holdTime: histogram(
      "lease_manager_hold_duration_seconds",
      "How long this process held leases that it released or lost.",
      LIFE_BUCKETS,
    ).by(["released", "lost"], (end) => ({ backend, end })),
    losses: counter(
      "lease_manager_losses_total",
      "Leases that were lost while this process held them, by reason.",
    ).by(LOSS_REASONS, (reason) => ({ backend, reason })),
    renewals: counter(
      "lease_manager_renewals_total",
      "Renewals of this process: renewed, or failed and to be tried again.",
    ).by(["renewed", "failed"], (result) => ({ backend, result })),
    lateness: histogram(
      "lease_manager_renewal_lateness_seconds",
      "How much later than planned renewals were sent: a busy event loop, or a store that did not answer before.",
      LATENESS_BUCKETS,
    ).series({ backend }),
    revokeRequests: counter(
      "lease_manager_revoke_requests_total",
      "Leases of this process that were asked back with a grace.",
    ).series({ backend }),
  };
}
