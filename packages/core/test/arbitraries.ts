import fc from "fast-check";
import type { Claim } from "../src/model/model.js";

/** Few names and few levels, so that generated resources often overlap. */
const segment = fc.constantFrom("a", "b", "ab");

/** `a/b`, `a/**`, `**` …: resources of a small world. */
export const resource: fc.Arbitrary<string> = fc
  .tuple(fc.array(segment, { maxLength: 3 }), fc.boolean())
  .map(([segments, subtree]) =>
    (subtree || segments.length === 0 ? [...segments, "**"] : segments).join("/"),
  );

export const mode = fc.constantFrom("exclusive", "shared");

export const claim: fc.Arbitrary<Claim> = fc.record({ resource, mode });

export const claims: fc.Arbitrary<Claim[]> = fc.uniqueArray(claim, {
  minLength: 1,
  maxLength: 3,
  selector: (one) => one.resource,
});
