import { LeaseError } from "@lease/core";

/** The error for an option that breaks its rule. */
export function invalid(field: string, rule: string): LeaseError<"INVALID_ARGUMENT"> {
  return new LeaseError("INVALID_ARGUMENT", `"${field}" ${rule}.`, { field });
}

export function checkNumber(value: number, field: string, least: number): void {
  if (!(typeof value === "number" && value >= least))
    throw invalid(field, `must be a number of at least ${least}`);
}
