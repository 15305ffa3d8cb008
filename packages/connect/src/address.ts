/** A backend's URL, taken apart. Nothing here ever repeats the URL: it may carry a password. */
import { LeaseError } from "@lease/core";

export interface Address {
  /** In lower case, without the colon. */
  readonly scheme: string;
  /** What stands between the scheme and the `?`, as written. */
  readonly rest: string;
  readonly query: URLSearchParams;
}

/**
 * Takes a URL apart by hand: the URL parser would resolve `..` in `sqlite:../leases.db`, and would refuse the list
 * of hosts that a cluster's URL may hold.
 */
export function parseAddress(url: string): Address {
  const [, scheme, rest, query] = /^([a-z][a-z0-9+.-]*):([^?]*)(?:\?(.*))?$/is.exec(url) ?? [];
  if (scheme === undefined || rest === undefined)
    throw invalidUrl('must begin with a scheme, as in "memory:"');
  return { scheme: scheme.toLowerCase(), rest, query: new URLSearchParams(query ?? "") };
}

/**
 * The file that a `sqlite:` URL names: `sqlite:leases.db` (relative to the working directory),
 * `sqlite:/var/lib/leases.db` and `sqlite:///var/lib/leases.db`. Percent-encoding is undone, for a `?` in a name.
 */
export function filePath({ scheme, rest }: Address): string {
  const path = decode(rest.startsWith("///") ? rest.slice(2) : rest);
  if (path === "")
    throw invalidUrl(`names no file: write ${scheme}:leases.db or ${scheme}:///var/lib/leases.db`);
  if (path.startsWith("//")) {
    throw invalidUrl(
      `names a host, which a file has none of: write ${scheme}:leases.db or ${scheme}:///var/lib/leases.db`,
    );
  }
  return path;
}

/** The query as an object, each option known and given once. */
export function optionsOf({ query, scheme }: Address, known: readonly string[]): Record<string, string> {
  for (const name of query.keys()) {
    const options = known.length === 0 ? "takes none" : `knows ${known.join(", ")}`;
    if (!known.includes(name)) throw invalidUrl(`has an option that ${scheme}: does not know; it ${options}`);
    if (query.getAll(name).length > 1) throw invalidUrl(`gives the option ${name} twice`);
  }
  return Object.fromEntries(query);
}

/** @param problem - the rest of a sentence that begins with "url" */
export function invalidUrl(problem: string): LeaseError<"INVALID_ARGUMENT"> {
  return new LeaseError("INVALID_ARGUMENT", `url ${problem}`, { field: "url" });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalidUrl("has a % that is not followed by two hexadecimal digits: write %25 for a percent sign");
  }
}
