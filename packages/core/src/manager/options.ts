/**
 * Options that a call does not know are refused, with the one that was probably meant: ignored, `{ ttl: 5000 }` would
 * silently mean the default.
 */
import { checkObject } from "../backend/check.js";
import { invalidArgument } from "../errors.js";

/**
 * Checks that `options` is an object and names nothing but what is known.
 *
 * @param field - how the object is named in errors; its options are named below it, except for `"options"` itself
 * @throws `INVALID_ARGUMENT`
 */
export function checkOptions(
  options: unknown,
  known: readonly string[],
  field = "options",
): asserts options is object {
  checkObject(options, field);
  for (const [name, value] of Object.entries(options as object)) {
    if (value === undefined || known.includes(name)) continue;
    const meant = meaning(name, known);
    const hint = meant === undefined ? `known are ${known.join(", ")}` : `did you mean ${meant}?`;
    throw invalidArgument(field === "options" ? name : `${field}.${name}`, `is not known here: ${hint}`);
  }
}

/** What other libraries call it, as {@link bareName} writes it. */
const ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  timeout: ["waitMs", "withinMs"],
  duration: ["ttlMs"],
  expiry: ["ttlMs"],
  retention: ["historyRetentionMs"],
  owner: ["agentId", "by"],
  store: ["backend"],
};

/** The option that was probably meant. */
function meaning(name: string, known: readonly string[]): string | undefined {
  const bare = bareName(name);
  return (
    known.find((option) => ELSEWHERE[bare]?.includes(option)) ??
    known.find((option) => bare.length > 2 && bareName(option).startsWith(bare)) ??
    known.find((option) => isTypo(bare, bareName(option)))
  );
}

/** Without case, separators and unit. */
function bareName(name: string): string {
  return name.toLowerCase().replace(/[^a-z]|ms$/g, "");
}

/** Whether all letters but one are the same, wherever they stand. */
function isTypo(a: string, b: string): boolean {
  const strange = (one: string, other: string) => [...one].filter((letter) => !other.includes(letter)).length;
  return Math.abs(a.length - b.length) <= 1 && strange(a, b) <= 1 && strange(b, a) <= 1;
}
