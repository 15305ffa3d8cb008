/** Finds the leases that a claim conflicts with, without looking at all of them. Asked in order of time. */
import type { Claim, Mode } from "@lease/core";
import { baseOf } from "./overlap.js";
import { claimsOf } from "./story.js";
import type { LeaseTimes } from "./times.js";

/** A span of time. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Leases by what they claim. */
export class Neighbours {
  readonly #places = new Map<string, Place>();
  readonly #all: Lane;

  constructor(lives: readonly LeaseTimes[]) {
    const sorted = [...lives].sort((a, b) => a.enteredFrom - b.enteredFrom);
    for (const times of sorted) for (const claim of claimsOf(times.life)) this.#add(times, claim);
    this.#all = new Lane(sorted);
  }

  /** All that can have lived at some moment of a span, whatever they claim. */
  all(span: Span): readonly LeaseTimes[] {
    return this.#all.during(span);
  }

  /** Those with a claim that conflicts with one of these, each once. */
  conflicting(claims: readonly Claim[], span: Span): ReadonlySet<LeaseTimes> {
    const found = new Set<LeaseTimes>();
    for (const { resource, mode } of claims) {
      for (const place of this.#around(resource)) {
        for (const times of place.exclusive.during(span)) found.add(times);
        if (mode === "exclusive") for (const times of place.shared.during(span)) found.add(times);
      }
    }
    return found;
  }

  /** Those with a claim that overlaps a resource, each once. */
  overlapping(resource: string, span: Span): ReadonlySet<LeaseTimes> {
    return this.conflicting([{ resource, mode: "exclusive" }], span);
  }

  /** The places whose claims overlap a resource. */
  #around(resource: string): Place[] {
    const base = baseOf(resource);
    const keys = ancestorsOf(base ?? resource).map((ancestor) => `tree:${ancestor}`);
    if (base === null) keys.push(`tree:${resource}`, `one:${resource}`);
    else keys.push(`below:${base}`);
    return keys.flatMap((key) => this.#places.get(key) ?? []);
  }

  /** At its own place, and among all that lies below each ancestor. */
  #add(times: LeaseTimes, { resource, mode }: Claim): void {
    const base = baseOf(resource);
    const at = base ?? resource;
    const keys = [`${base === null ? "one" : "tree"}:${at}`, `below:${at}`];
    for (const ancestor of ancestorsOf(at)) keys.push(`below:${ancestor}`);
    for (const key of keys) {
      const place = this.#places.get(key) ?? { exclusive: new Lane([]), shared: new Lane([]) };
      this.#places.set(key, place);
      place[mode].add(times);
    }
  }
}

type Place = Readonly<Record<Mode, Lane>>;

/** Leases in order of when they can have entered; those that are over drop out as time goes on. */
class Lane {
  readonly #sorted: LeaseTimes[];
  #next = 0;
  #current: LeaseTimes[] = [];

  constructor(sorted: readonly LeaseTimes[]) {
    this.#sorted = [...sorted];
  }

  /** The latest to enter comes last. A lease with two claims in one place is added once. */
  add(times: LeaseTimes): void {
    if (this.#sorted.at(-1) !== times) this.#sorted.push(times);
  }

  /** @param span - `from` never before that of the last call */
  during({ from, to }: Span): readonly LeaseTimes[] {
    for (
      let times = this.#sorted[this.#next];
      times !== undefined && times.enteredFrom <= to;
      times = this.#sorted[this.#next]
    ) {
      this.#next += 1;
      this.#current.push(times);
    }
    this.#current = this.#current.filter(({ lastSign }) => lastSign >= from);
    return this.#current.filter(({ enteredFrom }) => enteredFrom <= to);
  }
}

/** `""`, `a` and `a/b` for `a/b/c`: what lies above, not the thing itself. */
function ancestorsOf(path: string): string[] {
  if (path === "") return [];
  const ancestors = [""];
  for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
    ancestors.push(path.slice(0, slash));
  }
  return ancestors;
}
