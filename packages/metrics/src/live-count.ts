/**
 * Counts what is live in a store, for gauges. Exact when it was counted, and as old as
 * `lease_live_counted_timestamp_seconds` says: it lists the leases, so it does that at most every few seconds, and at
 * most for one hundredth of the time, however many there are and however often it is scraped.
 */
import { type Clock, type LeaseBackend, MAX } from "@lease/core";
import { liveFamilies, MODES, STATES } from "./backend-series.js";
import type { MetricsRegistry } from "./series.js";

/** Counting takes at most this part of the time. */
const PART_OF_TIME = 0.01;
/** A scrape waits this long for a count under way, then shows the last one: Prometheus itself waits ten seconds. */
const PATIENCE_MS = 2_000;

interface LiveOptions {
  readonly registry: MetricsRegistry;
  readonly name: string;
  readonly clock: Clock;
  readonly maxAgeMs: number;
}

/**
 * Counts at scrapes from now on, in place of what counted under the same name.
 *
 * @returns a function that ends it
 */
export function countLive(
  backend: LeaseBackend,
  { registry, name, clock, maxAgeMs }: LiveOptions,
): () => void {
  const families = liveFamilies(registry);
  const labels = { backend: name };
  const gauges = Object.fromEntries(
    STATES.flatMap((state) =>
      MODES.map((mode) => [`${state} ${mode}`, families.leases.series({ ...labels, state, mode })] as const),
    ),
  );
  const longestQueue = families.longestQueue.series(labels);
  const countedAt = families.countedAt.series(labels);
  let countAgainAt = Number.NEGATIVE_INFINITY;
  let counting: Promise<void> | null = null;
  let over = false;

  async function count(): Promise<void> {
    const startedAt = clock.now();
    const startedWall = clock.wallNow();
    try {
      const live = await countPages(backend);
      if (over) return;
      for (const [kind, gauge] of Object.entries(gauges)) gauge.value = live.leases.get(kind) ?? 0;
      longestQueue.value = live.longestQueue;
      countedAt.value = startedWall / 1000;
      const now = clock.now();
      countAgainAt = Math.max(startedAt + maxAgeMs, now + (now - startedAt) / PART_OF_TIME);
    } catch {
      // The store does not answer: the last count stands, and its timestamp shows how old it is.
      countAgainAt = clock.now() + maxAgeMs;
    } finally {
      counting = null;
    }
  }

  async function refresh(): Promise<void> {
    if (clock.now() < countAgainAt) return;
    counting ??= count();
    let stopWaiting = () => {};
    const patience = new Promise<void>((resolve) => {
      stopWaiting = clock.schedule(PATIENCE_MS, resolve, { background: true });
    });
    await Promise.race([counting, patience]);
    stopWaiting();
  }

  for (const family of Object.values(families)) family.collectors.set(name, refresh);
  return () => {
    over = true;
    for (const family of Object.values(families)) {
      if (family.collectors.get(name) === refresh) family.collectors.delete(name);
    }
    for (const gauge of [...Object.values(gauges), longestQueue, countedAt]) gauge.value = 0;
  };
}

async function countPages(backend: LeaseBackend) {
  const leases = new Map<string, number>();
  const queues = new Map<string, number>();
  let longestQueue = 0;
  let after: string | undefined;
  do {
    const page = await backend.list({ limit: MAX.page, after });
    for (const { state, claims } of page.leases) {
      const modes = new Set(claims.map(({ mode }) => mode));
      const [mode] = modes.size > 1 ? ["mixed"] : modes;
      const kind = `${state} ${mode}`;
      leases.set(kind, (leases.get(kind) ?? 0) + 1);
      if (state !== "pending") continue;
      for (const { resource } of claims) {
        const length = (queues.get(resource) ?? 0) + 1;
        queues.set(resource, length);
        longestQueue = Math.max(longestQueue, length);
      }
    }
    after = page.next ?? undefined;
  } while (after !== undefined);
  return { leases, longestQueue };
}
