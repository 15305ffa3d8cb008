/**
 * Who waits for whom, of leases that were listed: pure.
 *
 * A pending request waits for its blockers, the earlier live leases that conflict with it. A lease waits for the
 * pending requests of its own agent that state it in `holding`: it will not end before they are granted.
 */
import type { Lease } from "../model/model.js";
import { firstConflict } from "../model/rule.js";

/** What the graph needs to know of a lease. */
export type Node = Pick<Lease, "id" | "agentId" | "claims" | "state" | "token" | "holding">;

/** One pending request waits behind another: because that is its blocker, or states that it holds its blocker. */
export interface Wait {
  readonly blocker: Node;
  readonly behind: Node;
}

/**
 * Conflicts are looked for as they are asked for and not kept: in one long line everybody waits for everybody before
 * them, and a list of all that would be too long to keep.
 */
export class WaitGraph {
  readonly #leases: readonly Node[];
  /** Pending requests by each lease that they state. */
  readonly #holders = new Map<string, Node[]>();

  constructor(leases: readonly Node[]) {
    this.#leases = leases;
    for (const request of leases.filter(isPending)) {
      for (const id of request.holding) {
        const holders = this.#holders.get(id);
        if (holders === undefined) this.#holders.set(id, [request]);
        else holders.push(request);
      }
    }
  }

  *waitsOf(request: Node): Generator<Wait, undefined> {
    for (const blocker of this.#leases) {
      if (!blocks(blocker, request)) continue;
      if (isPending(blocker)) yield { blocker, behind: blocker };
      for (const holder of this.#holders.get(blocker.id) ?? []) {
        if (holder.agentId === blocker.agentId) yield { blocker, behind: holder };
      }
    }
  }

  /**
   * Groups of requests in which everybody waits for everybody, in the end also for itself: every circle lies within
   * one. (The strongly connected components, by Tarjan's algorithm, which looks at every request once. Without
   * recursion: a line may be longer than the stack is deep.)
   */
  knots(): Node[][] {
    // Waits lead back only through what somebody holds.
    if (this.#holders.size === 0) return [];
    const knots: Node[][] = [];
    const visits = new Map<Node, Visit>();
    /** Visited, and not yet known to which knot it belongs. */
    const open: Visit[] = [];
    const visit = (node: Node): Visit => {
      const order = visits.size;
      const begun = { node, waits: this.waitsOf(node), order, earliest: order, open: true, onItself: false };
      visits.set(node, begun);
      open.push(begun);
      return begun;
    };

    for (const root of this.#leases.filter(isPending)) {
      const path = visits.has(root) ? [] : [visit(root)];
      for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
        const next = top.waits.next().value;
        if (next !== undefined) {
          const known = visits.get(next.behind);
          if (known === undefined) path.push(visit(next.behind));
          else if (known.open) top.earliest = Math.min(top.earliest, known.order);
          if (known === top) top.onItself = true;
          continue;
        }
        path.pop();
        const before = path.at(-1);
        if (before !== undefined) before.earliest = Math.min(before.earliest, top.earliest);
        if (top.earliest < top.order) continue;
        const knot = open.splice(open.indexOf(top));
        for (const member of knot) member.open = false;
        if (knot.length > 1 || top.onItself) knots.push(knot.map(({ node }) => node));
      }
    }
    return knots;
  }
}

interface Visit {
  readonly node: Node;
  readonly waits: Iterator<Wait, undefined>;
  /** When it was first visited. */
  readonly order: number;
  /** The earliest visit that is still open and that it leads back to. */
  earliest: number;
  open: boolean;
  onItself: boolean;
}

function isPending({ state }: Node): boolean {
  return state === "pending";
}

function blocks(earlier: Node, waiting: Node): boolean {
  return earlier.token < waiting.token && firstConflict(waiting.claims, earlier.claims) !== null;
}
