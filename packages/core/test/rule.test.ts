import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Claim } from "../src/model/model.js";
import { coveringSubtrees, subtreeBase } from "../src/model/resource.js";
import { blockersOf, conflicts, firstConflict, overlaps } from "../src/model/rule.js";
import { claim, claims, resource } from "./arbitraries.js";

const exclusive = (name: string): Claim => ({ resource: name, mode: "exclusive" });
const shared = (name: string): Claim => ({ resource: name, mode: "shared" });

/** All paths of the small world that `arbitraries.ts` draws from, one level deeper than it names any. */
const WORLD = (() => {
  const levels: string[][] = [[""]];
  for (let depth = 0; depth < 4; depth += 1) {
    levels.push((levels.at(-1) ?? []).flatMap((path) => ["a", "b", "ab"].map((name) => `${path}/${name}`)));
  }
  return levels.flat();
})();

/** What a resource means, said without the rule: the set of paths it claims. */
function meaning(of: string): Set<string> {
  const segments = of.split("/");
  const subtree = segments.at(-1) === "**";
  const base = (subtree ? segments.slice(0, -1) : segments).map((segment) => `/${segment}`).join("");
  return new Set(WORLD.filter((path) => path === base || (subtree && path.startsWith(`${base}/`))));
}

describe("overlap", () => {
  test.each([
    ["a", "a", true],
    ["a", "b", false],
    ["a", "a/b", false],
    ["a/**", "a", true],
    ["a/**", "a/b/c", true],
    ["a/**", "ab", false],
    ["a/**", "a/b/**", true],
    ["a/**", "b/**", false],
    ["**", "anything/at/all", true],
    ["**", "**", true],
  ])("%s and %s: %s", (a, b, expected) => {
    expect(overlaps(a, b)).toBe(expected);
    expect(overlaps(b, a)).toBe(expected);
  });

  test("is what the sets of claimed paths say", () => {
    fc.assert(
      fc.property(resource, resource, (a, b) => {
        const claimed = meaning(b);
        expect(overlaps(a, b)).toBe([...meaning(a)].some((path) => claimed.has(path)));
      }),
      { numRuns: 500 },
    );
  });

  test("with a subtree claim is found through coveringSubtrees, as a store looks it up", () => {
    fc.assert(
      fc.property(resource, resource, (a, b) => {
        const covering = coveringSubtrees(a);
        expect(covering).not.toContain(a);
        const base = subtreeBase(a);
        const below = base !== null && (base === "" || b === base || b.startsWith(`${base}/`));
        expect(overlaps(a, b)).toBe(a === b || covering.includes(b) || below);
      }),
      { numRuns: 500 },
    );
  });
});

describe("conflict", () => {
  test("only shared claims go together", () => {
    expect(conflicts(shared("a"), shared("a"))).toBe(false);
    expect(conflicts(shared("a"), exclusive("a"))).toBe(true);
    expect(conflicts(exclusive("a"), shared("a"))).toBe(true);
    expect(conflicts(exclusive("a"), exclusive("a"))).toBe(true);
    expect(conflicts(exclusive("a"), exclusive("b"))).toBe(false);
  });

  test("is symmetric, and the overlap of resources unless both are shared", () => {
    fc.assert(
      fc.property(claim, claim, (a, b) => {
        expect(conflicts(a, b)).toBe(conflicts(b, a));
        const bothShared = a.mode === "shared" && b.mode === "shared";
        expect(conflicts(a, b)).toBe(!bothShared && overlaps(a.resource, b.resource));
      }),
    );
  });

  test("firstConflict gives the first of theirs, whichever of ours it meets", () => {
    const theirs = [shared("a"), exclusive("b"), exclusive("c/**")];
    expect(firstConflict([shared("a"), exclusive("c/d"), exclusive("b")], theirs)).toBe(theirs[1]);
    expect(firstConflict([exclusive("d")], theirs)).toBeNull();
  });
});

describe("blockers", () => {
  const standing = (token: number, ...of: Claim[]) => ({ token, claims: of });

  test("are the earlier live leases that conflict, in order of their tokens", () => {
    const leases = [
      standing(7, exclusive("a")),
      standing(3, exclusive("a/**")),
      standing(4, exclusive("b")),
      standing(9, exclusive("a")),
    ];
    const tokens = (token: number) =>
      blockersOf({ token, claims: [shared("a")] }, leases).map((lease) => lease.token);
    expect(tokens(Number.POSITIVE_INFINITY)).toEqual([3, 7, 9]);
    expect(tokens(8)).toEqual([3, 7]);
    expect(tokens(3)).toEqual([]);
  });

  test("of two live leases at least one is granted, and no two granted ones conflict", () => {
    fc.assert(
      fc.property(fc.array(claims, { minLength: 1, maxLength: 6 }), (requests) => {
        const line = requests.map((of, index) => standing(index + 1, ...of));
        const granted = line.filter((request) => blockersOf(request, line).length === 0);
        expect(granted[0]).toBe(line[0]);
        for (const one of granted) {
          for (const other of granted) {
            if (one !== other) expect(firstConflict(one.claims, other.claims)).toBeNull();
          }
        }
      }),
    );
  });
});
