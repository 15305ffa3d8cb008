/** A backend with metrics in simulated time, and questions about what the registry says. */
import { createLeaseManager, type LeaseBackend, type LeaseManagerOptions, memoryBackend } from "@lease/core";
import { simulatedClock } from "@lease/testing";
import { Registry } from "prom-client";
import { type WithMetricsOptions, withMetrics } from "../src/index.js";
import { parseExposition, type Sample } from "./exposition.js";

export function world(options: Partial<WithMetricsOptions> = {}) {
  const clock = simulatedClock();
  const registry = new Registry();
  const store = memoryBackend({ clock });
  const backend = withMetrics(store, { registry, clock, ...options });
  return {
    clock,
    registry,
    store,
    backend,
    manager: (managerOptions: Partial<LeaseManagerOptions> = {}) =>
      createLeaseManager({ backend, agentId: "alice", clock, random: () => 0, ...managerOptions }),
    samples: () => samplesOf(registry),
    value: (name: string, labels: Record<string, string> = {}) => sumOf(registry, name, labels),
    /** All series of a metric that are not zero, by the values of their labels but `backend`. */
    async nonZero(name: string): Promise<Record<string, number>> {
      const found = (await samplesOf(registry)).filter(
        (sample) => sample.name === name && sample.value !== 0,
      );
      return Object.fromEntries(
        found.map(({ labels: { backend: _, ...labels }, value }) => [Object.values(labels).join(" "), value]),
      );
    },
  };
}

async function samplesOf(registry: Registry): Promise<Sample[]> {
  return parseExposition(await registry.metrics()).flatMap(({ samples }) => samples);
}

/** The sum over the series that have these labels. */
export async function sumOf(
  registry: Registry,
  name: string,
  labels: Record<string, string>,
): Promise<number | undefined> {
  const found = (await samplesOf(registry)).filter(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  );
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
}

/** The backend with some operations replaced. */
export function meddled(backend: LeaseBackend, overrides: Partial<LeaseBackend>): LeaseBackend {
  return { ...backend, ...overrides };
}
