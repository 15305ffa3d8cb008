/**
 * `@lease/metrics`: Prometheus metrics of a backend and of managers, for a registry of prom-client.
 *
 * @packageDocumentation
 */
export { type InstrumentManagerOptions, instrumentManager } from "./instrument-manager.js";
export type { MetricsRegistry } from "./series.js";
export { type WithMetricsOptions, withMetrics } from "./with-metrics.js";
