/**
 * `@lease/core/load`: how loaded this process and this machine are, for `adaptiveTtl`. Uses Node.
 *
 * @packageDocumentation
 */
import { availableParallelism, loadavg } from "node:os";
import { performance } from "node:perf_hooks";
import type { LoadSource } from "./manager/ttl.js";

/**
 * The part of the time since the last question that this process's event loop was busy. The first answer covers the
 * time since the source was made.
 */
export function eventLoopUtilization(): LoadSource {
  let last = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  };
}

/** The machine's load average over one minute, for each of its processors. Windows always says 0. */
export function loadAverage(): LoadSource {
  return () => (loadavg()[0] ?? 0) / availableParallelism();
}
