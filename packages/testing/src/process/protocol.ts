/**
 * What a process host and its child say to each other, over the IPC channel of `node:child_process`, serialised as
 * structured clones. One question has one answer; a feed is read by one question an event.
 */
import { isLeaseError, LeaseError, type LeaseErrorCode } from "@lease/core";
import type { BackendLimits } from "@lease/core/backend";

/** Operations that are asked by name with one plain argument. */
export type PlainOperation = "acquire" | "renew" | "release" | "list" | "sweep" | "turn" | "close";

export type Question =
  /** Opens a backend, which is then known by the number of this question. */
  | { readonly ask: "open"; readonly options: unknown }
  | {
      readonly ask: "call";
      readonly backend: number;
      readonly operation: PlainOperation;
      readonly argument: unknown;
    }
  /** Begins a feed, which is then known by the number of this question. */
  | { readonly ask: "changes"; readonly backend: number; readonly argument: unknown }
  | { readonly ask: "next"; readonly feed: number }
  | { readonly ask: "return"; readonly feed: number };

export type ToChild =
  | { readonly number: number; readonly question: Question }
  /** The caller's signal of an earlier `turn` or `changes` aborted. */
  | { readonly abort: number };

export type ToHost =
  /** The child's module is loaded, or could not be. */
  | { readonly ready: true | Failure }
  | { readonly number: number; readonly answer: unknown }
  | { readonly number: number; readonly failure: Failure };

/** What the answer to `open` says. */
export interface Opened {
  readonly kind: string;
  readonly limits: BackendLimits;
}

/** An error on its way between processes. */
export interface Failure {
  readonly message: string;
  readonly stack: string | undefined;
  /** Set for a `LeaseError`. */
  readonly lease?: { readonly code: LeaseErrorCode; readonly details: unknown };
}

export function failureOf(error: unknown): Failure {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  if (!isLeaseError(error)) return { message, stack };
  return { message, stack, lease: { code: error.code, details: structuredClone(error.details) } };
}

/** The error again, as if it had been thrown here; the child's stack is its cause. */
export function revive({ message, stack, lease }: Failure): Error {
  const cause = stack === undefined ? undefined : `In the child process: ${stack}`;
  if (lease === undefined) return new Error(message, { cause });
  return new LeaseError(lease.code, message, lease.details as never, { cause });
}
