/**
 * `@lease/upkeep`: keeps a store of leases in order from outside, over any backend: a janitor, a monitor, and the revocation
 * of all that an agent has.
 *
 * @packageDocumentation
 */
export { createJanitor, type Janitor, type JanitorOptions } from "./janitor.js";
export {
  createMonitor,
  type Finding,
  MONITOR_DEFAULTS,
  type Monitor,
  type MonitorAct,
  type MonitorOptions,
} from "./monitor.js";
export { type RevokeOptions, revokeAgent } from "./revoke-agent.js";
