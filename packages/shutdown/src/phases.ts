/** What a shutdown goes through, and what it tells. */

/**
 * - `stop`: requests in line and new ones are refused with `CLOSED`; the server takes nothing new.
 * - `drain`: what is held goes on and is renewed, until all has ended or `drainMs` is over.
 * - `release`: what is still held is released, so that nobody has to wait for a TTL.
 * - `sweep`: what is past its time in the store is ended.
 * - `close`: services are stopped, the server and the backends are closed.
 * - `exit`: the last thing that is told.
 */
export type ShutdownPhase = "stop" | "drain" | "release" | "sweep" | "close" | "exit";

/** Told when a phase begins. */
export interface PhaseEvent {
  readonly phase: ShutdownPhase;
  /** What started the shutdown; `null` for a call of `shutDown()`. */
  readonly signal: NodeJS.Signals | null;
  /** Leases that the managers hold now. */
  readonly held: number;
  /** Until the overall deadline, in milliseconds. */
  readonly remainingMs: number;
  /** What did not go well so far. */
  readonly problems: readonly ShutdownProblem[];
}

/** Something that did not go well: the exit code is then 1. */
export interface ShutdownProblem {
  readonly phase: ShutdownPhase;
  /** One sentence. */
  readonly message: string;
  /** Where something threw. */
  readonly error?: unknown;
}

/** What became of it. */
export interface ShutdownReport {
  /** 0 when all went well, 1 when something was left. */
  readonly code: 0 | 1;
  readonly signal: NodeJS.Signals | null;
  /** Leases whose work had not ended when draining was over: released all the same, and no problem by itself. */
  readonly interrupted: number;
  readonly problems: readonly ShutdownProblem[];
}
