/**
 * Which listed request waits for which lease: pure.
 *
 * A pending request waits for its blockers, the earlier live leases that conflict with it. A lease waits for the
 * pending requests of its own agent that state it in `holding`: it will not end before they are granted.
 *
 * In one long queue every request waits for all before it, which would be too many waits to look at. So the leases that
 * claim something are linked, each to the one before it, and a request points at the last link before its own token:
 * all that the chain leads to from there is in its way.
 */
import type { Claim, Lease } from "../model/model.js";
import { coveringSubtrees, subtreeBase } from "../model/resource.js";

/** What the graph needs to know of a lease. */
export type Node = Pick<Lease, "id" | "agentId" | "claims" | "state" | "token" | "holding">;

/** A lease in the order of tokens of all that claim something. */
export interface Link {
  readonly lease: Node;
  readonly before: Link | null;
}

/** A request that waits, or a link of those in its way. */
export type Place = Node | Link;

export class WaitGraph {
  /** Pending requests by each lease that they state. */
  readonly #holders = new Map<string, Node[]>();
  readonly #requests: readonly Node[];
  /** Links in order of token: by what they claim, and below each subtree that a request claims. */
  readonly #links = new Map<string, Link[]>();

  constructor(leases: readonly Node[]) {
    this.#requests = leases.filter(({ state }) => state === "pending");
    const subtrees = new Set<string>();
    for (const request of this.#requests) {
      for (const id of request.holding) push(this.#holders, id, request);
      for (const { resource } of request.claims) if (subtreeBase(resource) !== null) subtrees.add(resource);
    }
    for (const lease of [...leases].sort((a, b) => a.token - b.token)) {
      for (const { resource, mode } of lease.claims) {
        const lists = [`at ${resource}`];
        if (subtrees.size > 0) {
          for (const subtree of [resource, ...coveringSubtrees(resource)]) {
            if (subtrees.has(subtree)) lists.push(`in ${subtree}`);
          }
        }
        for (const list of lists) {
          this.#link(`any ${list}`, lease);
          if (mode === "exclusive") this.#link(`exclusive ${list}`, lease);
        }
      }
    }
  }

  /** The pending requests, in the order they were given. */
  get requests(): readonly Node[] {
    return this.#requests;
  }

  /** What a place leads to, without requests younger than `youngest`. */
  *from(place: Place, youngest: number = Number.POSITIVE_INFINITY): Generator<Place, undefined> {
    if (!("lease" in place)) {
      for (const claim of place.claims) {
        for (const list of listsInTheWay(claim)) {
          const link = lastBefore(place.token, this.#links.get(list) ?? []);
          if (link !== undefined) yield link;
        }
      }
      return;
    }
    const { lease, before } = place;
    if (before !== null) yield before;
    if (lease.state === "pending") yield lease;
    for (const holder of this.#holders.get(lease.id) ?? []) {
      if (holder.agentId === lease.agentId && holder.token <= youngest) yield holder;
    }
  }

  /**
   * Groups of requests in which each waits for each, in the end also for itself: every cycle lies within one. (The
   * strongly connected components, by Tarjan's algorithm, which looks at every place once. Without recursion: a queue
   * may be longer than the stack is deep.)
   */
  *components(): Generator<undefined, Node[][]> {
    // Waits lead back only through what a request holds.
    if (this.#holders.size === 0) return [];
    const components: Node[][] = [];
    const visits = new Map<Place, Visit>();
    /** Visited, and not yet known to which component it belongs. */
    const open: Visit[] = [];
    const visit = (place: Place): Visit => {
      const order = visits.size;
      const begun = { place, next: this.from(place), order, earliest: order, open: true };
      visits.set(place, begun);
      open.push(begun);
      return begun;
    };

    for (const root of this.#requests) {
      const path = visits.has(root) ? [] : [visit(root)];
      for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
        yield;
        const next = top.next.next().value;
        if (next !== undefined) {
          const known = visits.get(next);
          if (known === undefined) path.push(visit(next));
          else if (known.open) top.earliest = Math.min(top.earliest, known.order);
          continue;
        }
        path.pop();
        const before = path.at(-1);
        if (before !== undefined) before.earliest = Math.min(before.earliest, top.earliest);
        if (top.earliest < top.order) continue;
        const component = open.splice(open.lastIndexOf(top));
        for (const member of component) member.open = false;
        if (component.length > 1) {
          components.push(component.flatMap(({ place }) => ("lease" in place ? [] : [place])));
        }
      }
    }
    return components;
  }

  #link(list: string, lease: Node): void {
    push(this.#links, list, { lease, before: this.#links.get(list)?.at(-1) ?? null });
  }
}

interface Visit {
  readonly place: Place;
  readonly next: Iterator<Place, undefined>;
  /** When it was first visited. */
  readonly order: number;
  /** The earliest visit that is still open and that it leads back to. */
  earliest: number;
  open: boolean;
}

/** The lists whose earlier links conflict with a claim. */
function listsInTheWay({ resource, mode }: Claim): string[] {
  const conflicting = mode === "exclusive" ? "any" : "exclusive";
  const own = subtreeBase(resource) === null ? `at ${resource}` : `in ${resource}`;
  return [own, ...coveringSubtrees(resource).map((subtree) => `at ${subtree}`)].map(
    (list) => `${conflicting} ${list}`,
  );
}

/** The last link with a smaller token, by halving. */
function lastBefore(token: number, links: readonly Link[]): Link | undefined {
  let [low, high] = [0, links.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((links[middle] as Link).lease.token < token) low = middle + 1;
    else high = middle;
  }
  return links[low - 1];
}

function push<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}
