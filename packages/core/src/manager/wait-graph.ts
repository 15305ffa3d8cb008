/**
 * Which listed request waits for which lease: pure.
 *
 * A pending request waits for its blockers, the earlier live leases that conflict with it. Until it is granted it keeps its
 * place in the queue, and those leases of its own agent that it states in `holding`.
 *
 * In one long queue every request waits for all before it, which would be too many waits to look at one by one. So the
 * requests are listed by what they claim, youngest first, and a search reads each list once: what waits for an earlier lease
 * also waits for all that is before it in that list.
 */
import type { Lease, Mode } from "../model/model.js";
import { coveringSubtrees, subtreeBase } from "../model/resource.js";

/** What the graph needs to know of a lease. */
export type Node = Pick<Lease, "id" | "agentId" | "claims" | "state" | "token" | "holding">;

/** How far each list was read. */
export type Read = Map<string, number>;

export class WaitGraph {
  /** The pending ones, youngest first. */
  readonly requests: readonly Node[];
  readonly #leases: ReadonlyMap<string, Node>;
  /** Requests by the resource that they claim, and by each claimed subtree that it lies in. */
  readonly #lists = new Map<string, { readonly request: Node; readonly mode: Mode }[]>();

  constructor(leases: readonly Node[]) {
    this.#leases = new Map(leases.map((lease) => [lease.id, lease]));
    this.requests = leases.filter(({ state }) => state === "pending").sort((a, b) => b.token - a.token);
    const claimed = leases.flatMap(({ claims }) => claims.map(({ resource }) => resource));
    const subtrees = new Set(claimed.filter((resource) => subtreeBase(resource) !== null));
    for (const request of this.requests) {
      for (const { resource, mode } of request.claims) {
        const around = subtrees.size === 0 ? [] : [resource, ...coveringSubtrees(resource)];
        const within = around.filter((subtree) => subtrees.has(subtree)).map((subtree) => `in ${subtree}`);
        for (const name of [`at ${resource}`, ...within]) {
          const list = this.#lists.get(name);
          if (list === undefined) this.#lists.set(name, [{ request, mode }]);
          else list.push({ request, mode });
        }
      }
    }
  }

  /** The leases of its own agent that a request keeps while it waits. */
  heldBy({ agentId, holding }: Node): Node[] {
    return holding.flatMap((id) => {
      const lease = this.#leases.get(id);
      return lease?.agentId === agentId ? [lease] : [];
    });
  }

  /** The requests that wait for a lease, but for those that were read before. One at which the caller stops is unread. */
  *waitersOf({ claims, token }: Node, read: Read): Generator<Node, void> {
    for (const { resource, mode } of claims) {
      for (const name of listsOf(resource)) {
        const list = this.#lists.get(name) ?? [];
        const reader = `${mode} ${name}`;
        for (let index = read.get(reader) ?? 0; ; index += 1) {
          read.set(reader, index);
          const next = list[index];
          if (next === undefined || next.request.token <= token) break;
          if (mode === "exclusive" || next.mode === "exclusive") yield next.request;
        }
      }
    }
  }
}

/** The lists of all requests whose resource overlaps this one. */
function listsOf(resource: string): string[] {
  const own = subtreeBase(resource) === null ? `at ${resource}` : `in ${resource}`;
  return [own, ...coveringSubtrees(resource).map((subtree) => `at ${subtree}`)];
}
