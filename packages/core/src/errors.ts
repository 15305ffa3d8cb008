/** One error class, one table of codes. Match `error.code`; messages are for people and may change. */
import type { Mode, Refusal } from "./model/model.js";

/** What each code means and, where it helps, what to do. The server's status codes and the docs come from here. */
export const LEASE_ERROR_CODES = Object.freeze({
  INVALID_ARGUMENT: "An argument breaks a documented rule; nothing was written. Correct the named field.",
  LEASE_UNAVAILABLE: "An earlier lease or request blocks it. The blockers say which, why and for how long.",
  LEASE_LOST: "The lease is no longer held: stop the work it protected.",
  FENCED: "A newer holder has already written: this token is stale. Stop the work; nothing was written.",
  LEASE_NOT_OWNER: "The lease belongs to another agent, or the token is not this lease's.",
  LEASE_NOT_FOUND: "No live lease has this id, and none that ended lately.",
  LEASE_RENEWAL_LIMIT: "All renewals that were agreed on are used up.",
  RENEWAL_OUT_OF_ORDER:
    "The renewal's count skips some; nothing was extended. Count on from what is counted.",
  LEASE_DEADLOCK: "The request would wait for itself. Release, then ask for everything in one request.",
  BACKEND_UNAVAILABLE: "The store did not answer or refused; surely nothing was applied. Try again.",
  OUTCOME_UNKNOWN: "The store may or may not have applied the call. Ask again with the same id.",
  BACKEND_FULL: "The store has no room for a new lease; what is held can still be renewed and released.",
  BACKEND_CORRUPT:
    "The store's data is damaged or not Lease's; nothing was changed. Restore it or remove it.",
  BACKEND_INCOMPATIBLE: "This store, file or runtime cannot be used as it is; trying again will not help.",
  CURSOR_EXPIRED:
    "The history no longer reaches back to this cursor, or it is another history's. Read again from the start.",
  CLOSED: "The backend or manager was closed.",
} as const);

/** What `LeaseError.code` can be: see {@link LEASE_ERROR_CODES}. */
export type LeaseErrorCode = keyof typeof LEASE_ERROR_CODES;

/** How a held lease was lost. */
export type LossCause =
  /** No confirmation came before the local deadline; the backend may still hold it a little longer. */
  | "deadline"
  /** The backend said that its TTL ran out. */
  | "expired"
  /** It was ended by force. */
  | "revoked"
  /** The machine slept past the deadline; no renewal has confirmed the lease since, so it must not be relied on. */
  | "suspect"
  /** The `maxHoldMs` that was asked for is over. */
  | "max-hold"
  /** The backend does not know the lease: its data was lost, or another request used the id. */
  | "not-found"
  /** Its agent had given the id back before; an id has one life. */
  | "released"
  | "cancelled";

/** One step of a deadlock: a pending request, and the lease that blocks it. */
export interface DeadlockStep {
  /** The pending request that waits. */
  readonly waitingId: string;
  readonly agentId: string;
  /** What it asks for. */
  readonly resources: readonly string[];
  /** The earlier lease that conflicts with it, and the claim of that lease that does. */
  readonly blockedById: string;
  readonly blockedByAgentId: string;
  readonly blockedByResource: string;
  /** `pending`: it is queued itself, and holds back what it overlaps until it is served. */
  readonly blockedByState: "pending" | "active";
}

/** What errors of these codes carry in `details`; those of other codes carry nothing. */
interface Details {
  INVALID_ARGUMENT: { readonly field: string };
  LEASE_UNAVAILABLE: Refusal;
  LEASE_LOST: {
    readonly leaseId: string;
    readonly how: LossCause;
    readonly by: string | null;
    readonly reason: string | null;
  };
  FENCED: {
    /** What was to be written. */
    readonly thing: string;
    readonly token: number;
    readonly mode: Mode;
    /** The newer token: what this one had to reach. */
    readonly bar: number;
  };
  LEASE_NOT_OWNER: { readonly leaseId: string };
  LEASE_NOT_FOUND: { readonly leaseId: string };
  LEASE_RENEWAL_LIMIT: { readonly leaseId: string; readonly maxRenewals: number | null };
  /** `renewals`: what is counted; the next is one more. */
  RENEWAL_OUT_OF_ORDER: { readonly leaseId: string; readonly renewals: number };
  LEASE_DEADLOCK: { readonly cycle: readonly DeadlockStep[] };
}

/** What an error of each code carries in `details`. */
export type LeaseErrorDetails = {
  readonly [C in LeaseErrorCode]: C extends keyof Details ? Details[C] : NoDetails;
};

/** Why a held lease was lost: the reason of its handle's signal. */
export type LossError = LeaseError<"LEASE_LOST"> | LeaseError<"LEASE_RENEWAL_LIMIT">;

type NoDetails = Readonly<Record<string, never>>;

/** Codes whose details say nothing may leave them out. */
type DetailsArgs<C extends LeaseErrorCode> = LeaseErrorDetails[C] extends NoDetails
  ? [details?: undefined, options?: ErrorOptions]
  : [details: LeaseErrorDetails[C], options?: ErrorOptions];

const BRAND = Symbol.for("@lease/core/LeaseError");

/** Every failure of Lease that a user can meet. */
export class LeaseError<C extends LeaseErrorCode = LeaseErrorCode> extends Error {
  override readonly name = "LeaseError";
  readonly code: C;
  readonly details: LeaseErrorDetails[C];

  /**
   * @param message - a sentence that says what happened and what to do
   * @param args - the details of this code, where it has any, and `{ cause }`
   */
  constructor(code: C, message: string, ...args: DetailsArgs<C>) {
    super(message, args[1]);
    this.code = code;
    this.details = (args[0] ?? {}) as LeaseErrorDetails[C];
    Object.defineProperty(this, BRAND, { value: true });
  }
}

/**
 * The error for an argument or option that breaks a rule.
 *
 * @param problem - what goes on after the field's name: "must be …"
 */
export function invalidArgument(
  field: string,
  problem: string,
  options?: ErrorOptions,
): LeaseError<"INVALID_ARGUMENT"> {
  return new LeaseError("INVALID_ARGUMENT", `${field} ${problem}`, { field }, options);
}

/**
 * Whether `error` is a {@link LeaseError}, of one of the given codes if any are given. Prefer it to `instanceof`:
 * it also holds for errors of a second copy of this package (ESM beside CommonJS).
 */
export function isLeaseError<C extends LeaseErrorCode = LeaseErrorCode>(
  error: unknown,
  ...codes: readonly C[]
): error is { [K in C]: LeaseError<K> }[C] {
  if (typeof error !== "object" || error === null || !(BRAND in error)) return false;
  return codes.length === 0 || codes.includes((error as unknown as LeaseError<C>).code);
}
