/** What a shutdown is told. */
import type { Clock, LeaseBackend, LeaseManager } from "@lease/core";
import type { PhaseEvent } from "./phases.js";
import type { ShutdownServer } from "./server.js";

/** What a shutdown does unless told otherwise. */
export const SHUTDOWN_DEFAULTS = Object.freeze({
  /** Less than the ten seconds that `docker stop` gives; Kubernetes gives thirty. */
  timeoutMs: 8_000,
  /** The part of `timeoutMs` that draining may take: the rest is for releasing, sweeping and closing. */
  drainPart: 0.75,
  signals: Object.freeze(["SIGTERM", "SIGINT"] as const),
});

/** What ends, how, and how long it may take. */
export interface GracefulShutdownOptions {
  /** Whose leases are let end and released. Looked at when it begins, so managers may be added to it later. */
  readonly managers?: Iterable<LeaseManager>;
  /** Stores to sweep and close besides those of the managers. */
  readonly backends?: Iterable<LeaseBackend>;
  /** Takes nothing new from the start on: Fastify, `node:http`, or anything with a `close()`. */
  readonly server?: ShutdownServer;
  /** Janitors, monitors, routers: stopped before the backends are closed. */
  readonly services?: Iterable<{ stop(): unknown }>;
  /** The bound of all phases together, in milliseconds. Default 8 000. */
  readonly timeoutMs?: number;
  /** How long work may go on, in milliseconds. Default three quarters of `timeoutMs`. */
  readonly drainMs?: number;
  /** Whether the backends are closed, where this process ends with it. Default `true`. */
  readonly closeBackends?: boolean;
  /** What starts it. Default SIGTERM and SIGINT. An empty list: only `shutDown()`. */
  readonly signals?: readonly NodeJS.Signals[];
  /** Told when a phase begins. What it throws is ignored. */
  readonly onPhase?: (event: PhaseEvent) => void;
  /** Ends the process, called once. Default `process.exit`. */
  readonly exit?: (code: number) => void;
  /** Default: the machine's clocks. */
  readonly clock?: Clock;
}
