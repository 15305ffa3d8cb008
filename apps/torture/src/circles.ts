/** Circles of waits in a picture of the store: those of which each request waits for what the next one's caller keeps. */
import type { Lease } from "@lease/core";

interface Wait {
  readonly waiting: Lease;
  readonly blockers: readonly Lease[];
}

/**
 * @param keptBy - the leases that the caller of a pending request keeps while it waits
 * @returns for each request that lies on a circle the shortest one through it, as ids in order
 */
export function circlesOf(waits: readonly Wait[], keptBy: (id: string) => readonly string[]): string[][] {
  /** Pending requests that must be served before a lease can end, or be granted. */
  const behind = new Map<string, string[]>(waits.map(({ waiting }) => [waiting.id, [waiting.id]]));
  for (const { waiting } of waits) {
    for (const id of keptBy(waiting.id)) behind.set(id, [...(behind.get(id) ?? []), waiting.id]);
  }
  const next = new Map(
    waits.map(({ waiting, blockers }) => [waiting.id, blockers.flatMap(({ id }) => behind.get(id) ?? [])]),
  );
  const circles = [...next.keys()].map((id) => shortestCircle(id, next));
  return circles.filter((circle) => circle !== null);
}

function shortestCircle(start: string, next: ReadonlyMap<string, readonly string[]>): string[] | null {
  const cameFrom = new Map<string, string>();
  const open = [start];
  for (let id = open.shift(); id !== undefined; id = open.shift()) {
    for (const after of next.get(id) ?? []) {
      if (after === start) {
        const path = [id];
        for (let back = id; back !== start; ) {
          back = cameFrom.get(back) as string;
          path.unshift(back);
        }
        return path;
      }
      if (!cameFrom.has(after)) {
        cameFrom.set(after, id);
        open.push(after);
      }
    }
  }
  return null;
}
