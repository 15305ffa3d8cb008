/** Reads the answers of a backend: what was granted, refused, renewed, released and swept. `now` is the monotonic time of the answer. */
import type { Lease } from "@lease/core";
import type {
  AcquireResult,
  ReleaseRequest,
  ReleaseResult,
  RenewRequest,
  RenewResult,
  SweepResult,
} from "@lease/core/backend";
import type { BackendSeries } from "./backend-series.js";
import { Seen } from "./seen.js";
import type { Counter } from "./series.js";

export class Answers {
  readonly #series: BackendSeries;
  readonly #places = new Seen();
  readonly #grants = new Seen();

  constructor(series: BackendSeries) {
    this.#series = series;
  }

  acquired(id: string, result: AcquireResult, now: number): void {
    if (result.status === "granted") {
      this.#granted(result.lease, result.repeated, now);
      return;
    }
    const conflict = result.status === "refused" && !this.#places.has(id);
    if (conflict) this.#series.conflicts.add();
    if (result.status === "refused" && result.lease !== null) {
      this.#series.acquires[conflict ? "queued" : "waiting"].add();
      if (conflict) this.#places.begin(id, now, result.lease.expiresInMs);
      else this.#places.extend(id, now, result.lease.expiresInMs);
      return;
    }
    this.#places.end(id, now);
    count(this.#series.acquires, result.status);
  }

  #granted(lease: Lease, repeated: boolean, now: number): void {
    this.#series.acquires[repeated ? "repeated" : "granted"].add();
    if (repeated) return;
    if (this.#places.size > 0) this.#places.end(lease.id, now);
    this.#grants.begin(lease.id, now, lease.expiresInMs);
    this.#series.waitTime.observeMs(waitedMs(lease));
  }

  renewed(requests: readonly RenewRequest[], results: readonly RenewResult[], now: number): void {
    for (let index = 0; index < results.length; index += 1) {
      const result = results[index] as RenewResult;
      const id = requests[index]?.id ?? "";
      count(this.#series.renewals, isRepeat(result) ? "repeated" : result.status);
      if (result.status === "renewed") this.#grants.extend(id, now, result.lease.expiresInMs);
      else if (result.status === "expired" || result.status === "revoked")
        this.#ended(id, result.status, now);
    }
  }

  released(requests: readonly ReleaseRequest[], results: readonly ReleaseResult[], now: number): void {
    for (let index = 0; index < results.length; index += 1) {
      const { status } = results[index] as ReleaseResult;
      const id = requests[index]?.id ?? "";
      count(this.#series.releases, status);
      if (status === "released" || status === "revoked") this.#ended(id, status, now);
      // A place in the queue that is revoked or left was no hold.
      if (this.#places.size > 0) this.#places.end(id, now);
    }
  }

  swept({ expired, pruned }: SweepResult, now: number): void {
    this.#series.sweptLeases.add(expired.length);
    this.#series.prunedEvents.add(pruned);
    for (const { id } of expired) {
      this.#places.end(id, now);
      this.#ended(id, "expired", now);
    }
  }

  #ended(id: string, end: "released" | "expired" | "revoked", now: number): void {
    const heldMs = this.#grants.end(id, now);
    if (heldMs !== null) this.#series.holdTime[end].observeMs(heldMs);
  }
}

/** Answered from what was counted before: nothing was extended. */
function isRepeat(result: RenewResult): boolean {
  return result.status === "renewed" && result.repeated;
}

/** A status that this version does not know is not counted; it must not break the call. */
function count(series: Readonly<Record<string, Counter>>, status: string): void {
  series[status]?.add();
}

function waitedMs({ requestedAt, acquiredAt }: Lease): number {
  // Most grants did not wait: the same text says so, and need no dates.
  if (acquiredAt === null || acquiredAt === requestedAt) return 0;
  return Math.max(0, Date.parse(acquiredAt) - Date.parse(requestedAt));
}
