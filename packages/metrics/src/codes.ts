/** Error codes as label values: a fixed set, whatever a store throws. */
import { isLeaseError, LEASE_ERROR_CODES, type LeaseErrorCode } from "@lease/core";

/** What only managers and receivers throw; from a backend these would be `other`. */
const NOT_OF_A_BACKEND: readonly LeaseErrorCode[] = [
  "LEASE_UNAVAILABLE",
  "LEASE_LOST",
  "FENCED",
  "LEASE_NOT_FOUND",
  "LEASE_RENEWAL_LIMIT",
  "LEASE_DEADLOCK",
];

const CODES = (Object.keys(LEASE_ERROR_CODES) as LeaseErrorCode[]).filter(
  (code) => !NOT_OF_A_BACKEND.includes(code),
);

/** Every value of the label `code`. */
export const CODE_LABELS: readonly string[] = Object.freeze([...CODES, "other"]);

/** The label value of an error. */
export function codeOf(error: unknown): string {
  return isLeaseError(error) && CODES.includes(error.code) ? error.code : "other";
}
