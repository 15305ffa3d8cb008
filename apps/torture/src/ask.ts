/** One request of a caller, and what it got. */
import type { LeaseHandle, LeaseManager } from "@lease/core";
import type { Process } from "./machine.js";
import type { AskPlan } from "./plan.js";

/** Where requests come from: one process, and its way to the store. */
export interface Caller {
  readonly agentId: string;
  readonly process: Process;
  readonly network: {
    /** Something that went wrong with it may last until then, in true time. */
    readonly troubledUntil: number;
  };
  /** Its present manager. */
  readonly manager: LeaseManager;
}

export interface Ask {
  /** Its request carries this number, so that the store's side can be told whose it is. */
  readonly number: number;
  readonly caller: Caller;
  readonly manager: LeaseManager;
  readonly plan: AskPlan;
  /** What it is acquired under. */
  readonly parent: Hold | null;
  /** In true time, and in the time that its process ran. */
  readonly startedAt: number;
  readonly ranAt: number;
  readonly abort: AbortController;
  /** When its caller aborted, in the time that its process ran; `null` if it did not. */
  abortedAt: number | null;
  /** The ids that it used: another one where its place in line ran out. */
  readonly ids: Set<string>;
  answers: number;
  isDoubled: boolean;
  /** How it ended: `"granted"`, `"refused"`, `"aborted"`, the code of a LeaseError; `null` so far. */
  outcome: string | null;
  /** What it was granted: kept to the end of the run, or core would warn of a handle that was dropped. */
  hold: Hold | null;
}

/** What a caller was given. */
export interface Hold {
  readonly ask: Ask;
  readonly handle: LeaseHandle;
  readonly takenAt: number;
}

/** All that its caller keeps while it waits for more. */
export function chainOf(hold: Hold | null): Hold[] {
  return hold === null ? [] : [hold, ...chainOf(hold.ask.parent)];
}
