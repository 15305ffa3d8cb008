/**
 * `withMetrics(backend)`: the same backend, counted. A decorator is a backend: it keeps the whole contract, and what it
 * counts changes no answer.
 */
import { type Clock, type LeaseBackend, type LeaseEvent, systemClock } from "@lease/core";
import { defineBackend } from "@lease/core/backend";
import { Answers } from "./answers.js";
import { backendSeries, type Operation, type Step } from "./backend-series.js";
import { codeOf } from "./codes.js";
import { countLive } from "./live-count.js";
import type { MetricsRegistry } from "./series.js";

/** Where the series of a backend go, and which of them. */
export interface WithMetricsOptions {
  /** A `Registry` of prom-client. Several backends and managers may share one. */
  readonly registry: MetricsRegistry;
  /**
   * Value of the label `backend`. Default: the backend's `kind`. Stores of the same kind need names of their own;
   * choose from a fixed set.
   */
  readonly name?: string;
  /**
   * Whether a scrape also counts the live leases of the whole store, by listing them. Default `true`. One process of
   * those that share a store is enough.
   */
  readonly live?: boolean;
  /** How old that count may be before a scrape counts again, in milliseconds. Default 10 000. */
  readonly liveMaxAgeMs?: number;
  /** Default: the machine's clocks. */
  readonly clock?: Clock;
}

/** Counts and times what goes through a backend. `close()` closes the backend, too. */
export function withMetrics(backend: LeaseBackend, options: WithMetricsOptions): LeaseBackend {
  const { registry, name = backend.kind, live = true, liveMaxAgeMs = 10_000, clock = systemClock } = options;
  const series = backendSeries(registry, name);
  const answers = new Answers(series);
  const stopCounting = live
    ? countLive(backend, { registry, name, clock, maxAgeMs: liveMaxAgeMs })
    : () => {};

  function failed(operation: Operation, error: unknown): void {
    series.errors[operation][codeOf(error)]?.add();
  }

  /** Ends the count of a call that was begun at `startedAt`. @returns the time of the answer */
  function answered(operation: Step, startedAt: number): number {
    const now = clock.now();
    series.calls[operation].add();
    series.callTime[operation].observeMs(now - startedAt);
    return now;
  }

  function threw(operation: Step, startedAt: number, error: unknown): void {
    answered(operation, startedAt);
    failed(operation, error);
  }

  async function step<T>(operation: Step, run: () => Promise<T>): Promise<T> {
    const startedAt = clock.now();
    try {
      const answer = await run();
      answered(operation, startedAt);
      return answer;
    } catch (error) {
      threw(operation, startedAt, error);
      throw error;
    }
  }

  return defineBackend({
    kind: backend.kind,
    limits: backend.limits,
    // The three of every lease's life are spelled out: one promise around the backend's own and no closures, which is
    // half of what counting would cost.
    async acquire(request) {
      const startedAt = clock.now();
      try {
        const result = await backend.acquire(request);
        answers.acquired(request.id, result, answered("acquire", startedAt));
        return result;
      } catch (error) {
        threw("acquire", startedAt, error);
        series.acquires.failed.add();
        throw error;
      }
    },
    async turn(wait) {
      series.calls.turn.add();
      try {
        await backend.turn(wait);
      } catch (error) {
        failed("turn", error);
        throw error;
      }
    },
    async renew(requests) {
      const startedAt = clock.now();
      try {
        const results = await backend.renew(requests);
        answers.renewed(requests, results, answered("renew", startedAt));
        return results;
      } catch (error) {
        threw("renew", startedAt, error);
        series.renewals.failed.add(requests.length);
        throw error;
      }
    },
    async release(requests) {
      const startedAt = clock.now();
      try {
        const results = await backend.release(requests);
        answers.released(requests, results, answered("release", startedAt));
        return results;
      } catch (error) {
        threw("release", startedAt, error);
        series.releases.failed.add(requests.length);
        throw error;
      }
    },
    list: (query) => step("list", () => backend.list(query)),
    async sweep(sweepOptions) {
      const result = await step("sweep", () => backend.sweep(sweepOptions));
      answers.swept(result, clock.now());
      return result;
    },
    async *changes(changesOptions): AsyncGenerator<LeaseEvent, void> {
      series.calls.changes.add();
      try {
        yield* backend.changes(changesOptions);
      } catch (error) {
        failed("changes", error);
        throw error;
      }
    },
    async close() {
      stopCounting();
      await step("close", () => backend.close());
    },
  });
}
