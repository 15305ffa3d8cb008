/**
 * `@lease/shutdown`: ends a process that holds leases, so that nobody waits for a TTL.
 *
 * @packageDocumentation
 */
export { type GracefulShutdown, gracefulShutdown } from "./graceful-shutdown.js";
export { type GracefulShutdownOptions, SHUTDOWN_DEFAULTS } from "./options.js";
export type { PhaseEvent, ShutdownPhase, ShutdownProblem, ShutdownReport } from "./phases.js";
export { type ReleaseOnExitOptions, releaseOnExit } from "./release-on-exit.js";
export type { ShutdownServer } from "./server.js";
