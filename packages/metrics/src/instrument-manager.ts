/** `instrumentManager(manager)`: what the leases of one process go through, from its manager's own words. */
import { isLeaseError, type LeaseManager, type LossError, type ManagerEvent } from "@lease/core";
import { type LossReason, managerSeries, type RequestResult } from "./manager-series.js";
import type { MetricsRegistry } from "./series.js";

/** Where the series of a manager go. */
export interface InstrumentManagerOptions {
  /** A `Registry` of prom-client. Several managers and backends may share one; managers of one name add up. */
  readonly registry: MetricsRegistry;
  /** Value of the label `backend`. Default: the `kind` of the manager's backend. Choose from a fixed set. */
  readonly name?: string;
}

/**
 * Counts the requests and leases of a manager from now on.
 *
 * @returns a function that ends it, and takes what is held and waiting off the gauges
 */
export function instrumentManager(
  manager: LeaseManager,
  { registry, name = manager.backend.kind }: InstrumentManagerOptions,
): () => void {
  const series = managerSeries(registry, name);
  const held = series.held.part();
  const waiting = series.waiting.part();
  held.add(manager.held.length);

  function answered(result: RequestResult, waitedMs: number): void {
    waiting.add(-1);
    series.requests[result].add();
    series.waitTime[result === "granted" || result === "refused" ? result : "failed"].observeMs(waitedMs);
  }

  function onEvent(event: ManagerEvent): void {
    switch (event.type) {
      case "requested":
        waiting.add(1);
        return;
      case "granted":
        answered("granted", event.waitedMs);
        held.add(1);
        return;
      case "refused":
        answered("refused", event.waitedMs);
        return;
      case "failed":
        answered(failureOf(event.error), event.waitedMs);
        return;
      case "renewed":
        series.renewals.renewed.add();
        series.lateness.observeMs(event.lateMs);
        return;
      case "renewal-failed":
        series.renewals.failed.add();
        return;
      case "revoke-requested":
        series.revokeRequests.add();
        return;
      case "ended":
        held.add(-1);
        series.holdTime[event.loss === null ? "released" : "lost"].observeMs(event.heldMs);
        if (event.loss !== null) series.losses[reasonOf(event.loss)].add();
    }
  }

  const stop = manager.observe(onEvent);
  return () => {
    stop();
    held.leave();
    waiting.leave();
  };
}

function failureOf(error: unknown): RequestResult {
  if (!isLeaseError(error)) return "aborted";
  if (error.code === "LEASE_DEADLOCK") return "deadlock";
  return error.code === "CLOSED" ? "closed" : "failed";
}

function reasonOf(loss: LossError): LossReason {
  return isLeaseError(loss, "LEASE_LOST") ? loss.details.how : "renewal-limit";
}
