/**
 * The resource grammar: validated, never rewritten, so that one thing has one name. A resource is 1 to 512 bytes of
 * UTF-8 in NFC, `/`-separated segments, none of them empty, `.` or `..`, with `**` allowed as the last segment only.
 */

import { invalidArgument } from "../errors.js";
import { hasControlCharacter, utf8Length } from "../text.js";
import { MAX } from "./max.js";

const WILDCARD = "**";

/**
 * What a resource claims besides itself: for `src/**` the base `src`, for `**` the empty string (everything), for
 * any other resource `null`.
 */
export function subtreeBase(resource: string): string | null {
  if (resource === WILDCARD) return "";
  return resource.endsWith(`/${WILDCARD}`) ? resource.slice(0, -(WILDCARD.length + 1)) : null;
}

/**
 * Every subtree resource that contains the given one, widest first, itself not among them: for `a/b` these are
 * `**`, `a/**` and `a/b/**`; for `a/b/**` only `**` and `a/**`. A store that looks up claims by key asks for these,
 * for the resource itself, and, when it is a subtree, for the range below it.
 */
export function coveringSubtrees(resource: string): string[] {
  const covering = [WILDCARD];
  for (let slash = resource.indexOf("/"); slash >= 0; slash = resource.indexOf("/", slash + 1)) {
    covering.push(`${resource.slice(0, slash)}/${WILDCARD}`);
  }
  if (subtreeBase(resource) === null) covering.push(`${resource}/${WILDCARD}`);
  // The walk over the slashes of `a/**` ends at `a/**` itself, and `**` has no slash.
  return covering.filter((subtree) => subtree !== resource);
}

/**
 * Checks a resource against the grammar.
 *
 * @param field - how the argument is named in the error, e.g. `claims[0].resource`
 * @throws `INVALID_ARGUMENT` with a sentence that says which rule it breaks and what to write instead
 */
export function checkResource(resource: unknown, field: string): asserts resource is string {
  const problem = resourceProblem(resource);
  if (problem !== null) throw invalidArgument(field, problem);
}

/** What most resources look like: breaks no rule, and is recognised at one look. */
const USUAL = /^[\w@-][\w.@-]*(?:\/[\w@-][\w.@-]*)*(?:\/\*\*)?$/;

/** What is wrong with a resource, as the rest of a sentence that begins with its name; `null` if nothing is. */
export function resourceProblem(resource: unknown): string | null {
  if (typeof resource !== "string") return "must be a string";
  if (resource.length <= MAX.resourceBytes && USUAL.test(resource)) return null;
  if (resource === "") return "must not be empty";
  if (!resource.isWellFormed()) return "contains half a surrogate pair: pass well-formed Unicode";
  const bytes = utf8Length(resource);
  if (bytes > MAX.resourceBytes) return `takes ${bytes} bytes of UTF-8, more than ${MAX.resourceBytes}`;
  if (hasControlCharacter(resource)) return "contains a control character";
  // ASCII has but one form, and to look for others costs as much as all the rest.
  if (bytes !== resource.length && resource !== resource.normalize("NFC"))
    return 'must be in Unicode form NFC: pass it through .normalize("NFC")';
  const segments = resource.split("/");
  for (const [index, segment] of segments.entries()) {
    if (segment === "") {
      return "has an empty segment: no leading, trailing or double slash (fileResource() makes the key of a file)";
    }
    if (segment === "." || segment === "..") {
      return `has the segment "${segment}", which would give one thing two names: use fileResource() for paths`;
    }
    const isLast = index === segments.length - 1;
    if (segment === WILDCARD && isLast) continue;
    if (looksLikeGlob(segment)) {
      return `contains the glob "${segment}": the only wildcard is "**" as the last segment ("src/**" claims src and all below it); list other resources one by one`;
    }
  }
  return null;
}

/**
 * `*`, `?` and `{a,b}` are refused, because a caller that writes them means more than one thing and would be granted only
 * one. `[…]` and braces without a comma are ordinary characters: routes of web frameworks are files like
 * `app/[id]/page.tsx`. Before the comma no other brace or comma is matched: it finds the same, but without the
 * backtracking that a hostile `{{{{,,,,` would turn into a blocked event loop.
 */
function looksLikeGlob(segment: string): boolean {
  return /[*?]|\{[^{},]*,[^}]*\}/.test(segment);
}
