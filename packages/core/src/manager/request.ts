/**
 * What users say, turned into what a backend is asked.
 */

import { LeaseError } from "../errors.js";
import type { Claim, Mode } from "../model/model.js";

/** What to lease: one resource or several, each by name (in the mode of the call) or with a mode of its own. */
export type Resources = string | Claim | readonly (string | Claim)[];

/** The claims that a call names. Their grammar is checked by the backend. */
export function claimsOf(resources: Resources, mode: Mode): Claim[] {
  const list: readonly (string | Claim)[] =
    typeof resources === "string" || isClaim(resources) ? [resources] : resources;
  if (!Array.isArray(list)) {
    throw new LeaseError("INVALID_ARGUMENT", "resources must be a resource, a claim or a list of them", {
      field: "resources",
    });
  }
  return list.map((item) => (typeof item === "string" ? { resource: item, mode } : item));
}

function isClaim(resources: Resources): resources is Claim {
  return typeof resources === "object" && resources !== null && "resource" in resources;
}
