/** The rule, restated from `docs/design.md` and not taken from core, whose mistakes it would share. */
import type { Claim } from "@lease/core";

/** `src/**` without its last segment, `""` for `**`; `null` for what is no subtree. */
export function baseOf(resource: string): string | null {
  if (resource === "**") return "";
  return resource.endsWith("/**") ? resource.slice(0, -3) : null;
}

/** Whether two resources overlap: equal, or one is a subtree that contains the other. */
export function overlap(one: string, other: string): boolean {
  return one === other || lies(one, other) || lies(other, one);
}

/** Whether one of two requests has to wait for the other. */
export function inTheWay(ours: readonly Claim[], theirs: readonly Claim[]): boolean {
  return ours.some((our) => theirs.some((their) => claimsConflict(our, their)));
}

/** Whether two claims conflict: they overlap, and not both are shared. */
export function claimsConflict(one: Claim, other: Claim): boolean {
  return !(one.mode === "shared" && other.mode === "shared") && overlap(one.resource, other.resource);
}

/** Whether `resource` is what the subtree names or lies below it. */
function lies(resource: string, subtree: string): boolean {
  const base = baseOf(subtree);
  if (base === null) return false;
  const inside = baseOf(resource) ?? resource;
  return base === "" || inside === base || inside.startsWith(`${base}/`);
}
