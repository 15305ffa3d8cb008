/**
 * The key layout in etcd. All keys of a namespace begin with its name and a NUL, which no name contains:
 *
 * | key | value | on which etcd lease |
 * | --- | --- | --- |
 * | `i/<id>` | the lease's record; its create revision is the token | the lease's own |
 * | `x/<path>/\0e`, `s/…`, `…\0t` | the id: an exclusive or shared claim, exact or of a subtree | the lease's own |
 * | `h/<id>` | who had this id and how it ended: it outlives `i/` | a long one, shared by many ids |
 * | `e` | when the last end came; put beside the deletes of every release | none |
 * | `m`, `p` | the history's name, and how far it was pruned | none |
 *
 * A claim that has others beside it (a queued one, a shared one) has its id behind the mark as well. The rest do
 * without: until it is compacted, etcd looks through every key that a range ever had, also the deleted ones.
 *
 * When an etcd lease runs out, etcd deletes `i/` and the claims in one revision and `h/` stays: that is an expiry.
 */
import type { Claim } from "@lease/core";
import { conflicts, subtreeBase } from "@lease/core/backend";
import type { IKeyValue } from "etcd3";
import type { KeyRange, StoredLease } from "./model.js";

/** A claim as its key spells it. */
export interface ClaimKey {
  readonly id: string;
  readonly claim: Claim;
}

export class Keys {
  readonly end: Buffer;
  readonly meta: Buffer;
  readonly pruned: Buffer;
  /** All records. */
  readonly records: KeyRange;
  /** What the change feed is made of: `e`, `h/…` and `i/…`, and nothing else. */
  readonly feed: KeyRange;
  readonly #prefix: string;

  constructor(namespace: string) {
    const prefix = `${namespace}\0`;
    this.#prefix = prefix;
    this.end = bytes(`${prefix}e`);
    this.meta = bytes(`${prefix}m`);
    this.pruned = bytes(`${prefix}p`);
    this.records = range(`${prefix}i/`, `${prefix}i0`);
    this.feed = range(`${prefix}e`, `${prefix}j`);
  }

  record(id: string): Buffer {
    return bytes(`${this.#prefix}i/${id}`);
  }

  memory(id: string): Buffer {
    return bytes(`${this.#prefix}h/${id}`);
  }

  /** @param isBeside - whether there may be other claims on the same */
  claim({ resource, mode }: Claim, id: string, isBeside: boolean): Buffer {
    const base = subtreeBase(resource);
    const path = pathOf(base ?? resource);
    const own = isBeside || mode === "shared" ? id : "";
    return bytes(`${this.#tree(mode)}${path}\0${base === null ? "e" : "t"}${own}`);
  }

  /** All claim keys of a lease. */
  claims({ id, claims, isBeside }: Pick<StoredLease, "id" | "claims" | "isBeside">): Buffer[] {
    return claims.map((claim) => this.claim(claim, id, isBeside));
  }

  /** The ranges that must be empty for these claims to be granted to a newcomer. */
  conflicts(claims: readonly Claim[]): KeyRange[] {
    const ranges = new Map<string, string>();
    for (const { resource, mode } of claims) {
      addConflicts(ranges, this.#tree("exclusive"), resource);
      if (mode === "exclusive") addConflicts(ranges, this.#tree("shared"), resource);
    }
    return [...ranges].map(([from, to]) => range(from, to));
  }

  /** The claim that a key below `x/` or `s/` stands for. */
  parseClaim({ key, value }: Pick<IKeyValue, "key" | "value">): ClaimKey {
    const text = key.toString("utf8").slice(this.#prefix.length);
    const id = value.toString("ascii");
    const mark = text.indexOf("\0");
    const path = text.slice(2, Math.max(2, mark - 1));
    const isSubtree = text[mark + 1] === "t";
    const resource = isSubtree ? (path === "" ? "**" : `${path}/**`) : path;
    return { id, claim: { resource, mode: text[0] === "x" ? "exclusive" : "shared" } };
  }

  /** What a key of the feed stands for. */
  parseFeedKey(key: Buffer): { readonly kind: "record" | "memory" | "end"; readonly id: string } {
    const text = key.toString("utf8").slice(this.#prefix.length);
    const kind = text[0] === "i" ? "record" : text[0] === "h" ? "memory" : "end";
    return { kind, id: text.slice(2) };
  }

  #tree(mode: Claim["mode"]): string {
    return `${this.#prefix}${mode === "exclusive" ? "x" : "s"}/`;
  }
}

/**
 * At most so many ranges that cover all of these. Where there are too many, neighbours become one range together with
 * what lies between them; those first whose keys begin alike for longest, so that as little as possible does.
 */
export function joined(ranges: readonly KeyRange[], most: number): readonly KeyRange[] {
  if (ranges.length <= most) return ranges;
  const sorted = [...ranges].sort((a, b) => a.key.compare(b.key));
  const alike = sorted.map(({ key }, index) => alikeFor(key, sorted[index - 1]?.key));
  const joins = new Set(
    alike
      .map((_, index) => index)
      .slice(1)
      .sort((a, b) => (alike[b] as number) - (alike[a] as number))
      .slice(0, ranges.length - most),
  );
  const covering: KeyRange[] = [];
  for (const [index, next] of sorted.entries()) {
    const last = covering.at(-1);
    if (last === undefined || !joins.has(index)) covering.push(next);
    else if (last.range_end.compare(next.range_end) < 0) {
      covering[covering.length - 1] = { key: last.key, range_end: next.range_end };
    }
  }
  return covering;
}

/** How many bytes at the beginning of both are the same. */
function alikeFor(key: Buffer, other: Buffer = Buffer.alloc(0)): number {
  let bytes = 0;
  while (bytes < other.length && key[bytes] === other[bytes]) bytes += 1;
  return bytes;
}

/** Whether a claim is in the way of any of these. */
export function inTheWay(claims: readonly Claim[], other: Claim): boolean {
  return claims.some((claim) => conflicts(claim, other));
}

/** `src/app.ts` as `src/app.ts/`: so that all below a path, and the path itself, is one prefix. */
function pathOf(resource: string): string {
  return resource === "" ? "" : `${resource}/`;
}

function addConflicts(ranges: Map<string, string>, tree: string, resource: string): void {
  const base = subtreeBase(resource);
  const path = pathOf(base ?? resource);
  // A subtree: everything with this prefix. One thing: its own exact and subtree claims.
  if (path === "") ranges.set(tree, `${tree.slice(0, -1)}0`);
  else if (base !== null) ranges.set(`${tree}${path}`, `${tree}${path.slice(0, -1)}0`);
  else ranges.set(`${tree}${path}\0`, `${tree}${path}\x01`);
  // The subtree claims of every proper ancestor, the root among them.
  for (let slash = -1; slash < path.length - 1; slash = path.indexOf("/", slash + 1)) {
    const ancestor = path.slice(0, slash + 1);
    ranges.set(`${tree}${ancestor}\0t`, `${tree}${ancestor}\0u`);
  }
}

function range(from: string, to: string): KeyRange {
  return { key: bytes(from), range_end: bytes(to) };
}

function bytes(text: string): Buffer {
  return Buffer.from(text, "utf8");
}
