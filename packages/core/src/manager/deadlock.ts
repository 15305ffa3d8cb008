/**
 * Deadlocks, found where they are certain: by what waiters state that they hold, never by guessing from names.
 *
 * A cycle of waits cannot resolve itself. A new wait always begins with a new pending request, the youngest of its
 * cycle, so it is enough that each request looks once it is queued.
 */
import type { LeaseBackend } from "../backend/backend.js";
import { listAll } from "../backend/page.js";
import { systemClock } from "../clock.js";
import { type DeadlockStep, LeaseError } from "../errors.js";
import { MAX } from "../model/max.js";
import type { Claim, Lease } from "../model/model.js";
import { firstConflict } from "../model/rule.js";
import { agentName, quoted } from "../text.js";
import { pause } from "./backoff.js";
import { type Node, type Read, WaitGraph } from "./wait-graph.js";

/** All that looking takes of a backend. */
type Lister = Pick<LeaseBackend, "list">;

/**
 * Looks for a cycle of waits through the given pending request, of which it is the youngest. It reads what waits for the
 * leases that the request holds, and no more: mostly that is nothing, however many requests are queued elsewhere.
 *
 * @returns the steps of the cycle, beginning with the request, or `null`
 */
export async function findDeadlock(backend: Lister, pending: Lease): Promise<DeadlockStep[] | null> {
  if (pending.holding.length === 0) return null;
  const read = () => waitingFor(backend, pending);
  const [cycle = null] = await confirmed(read, function* (graph) {
    const start = graph.requests.find(({ id }) => id === pending.id);
    const found = start && (yield* searchCycle(start, graph));
    return found ? [found] : [];
  });
  return cycle;
}

/** All cycles of waits there are now, each beginning with its youngest request: for people and monitors. */
export function findDeadlocks(backend: Lister): Promise<DeadlockStep[][]> {
  const read = () => waitsOf(backend);
  return confirmed(read, function* (graph) {
    const cycles: DeadlockStep[][] = [];
    const requests = yield* entangled(graph.requests, graph);
    for (let start = requests.shift(); start !== undefined; start = requests.shift()) {
      const cycle = yield* searchCycle(start, graph);
      if (cycle === null) continue;
      cycles.push(cycle);
      // Without its youngest request little of it may be left to search.
      requests.splice(0, requests.length, ...(yield* entangled(requests, graph)));
    }
    return cycles;
  });
}

/** A search that yields at each lease that it looks at, so that it can be interrupted. */
type Search<T> = Generator<undefined, T>;

/**
 * The cycles that two searches find. Pages of a listing are not one snapshot, but true cycles stay and torn pictures do
 * not.
 */
async function confirmed(
  read: () => Promise<readonly Node[]>,
  search: (graph: WaitGraph) => Search<DeadlockStep[][]>,
): Promise<DeadlockStep[][]> {
  const look = async () => unhurried(search(new WaitGraph(await read())));
  const first = await look();
  if (first.length === 0) return first;
  const still = new Set((await look()).map(([step]) => step?.waitingId));
  return first.filter(([step]) => still.has(step?.waitingId));
}

/**
 * The requests for which others of them wait, for their place or for what they hold: every cycle is among these. One for
 * which none waits is left out, and those that it was a waiter of are looked at again.
 *
 * @param requests - youngest first, as the answer
 */
function* entangled(requests: readonly Node[], graph: WaitGraph): Search<Node[]> {
  const left = new Set(requests);
  const read: Read = new Map();
  const waiterOf = (request: Node): Node | undefined => {
    for (const lease of [request, ...graph.heldBy(request)]) {
      for (const waiter of graph.waitersOf(lease, read)) if (left.has(waiter)) return waiter;
    }
    return undefined;
  };
  const foundBy = new Map<Node, Node[]>(requests.map((request) => [request, []]));
  const open = [...requests];
  for (const request of open) {
    yield;
    const waiter = waiterOf(request);
    if (waiter !== undefined) foundBy.get(waiter)?.push(request);
    else if (left.delete(request)) for (const again of foundBy.get(request) ?? []) open.push(again);
  }
  return requests.filter((request) => left.has(request));
}

/** A lease that a request keeps until it is granted. */
interface Kept {
  readonly lease: Node;
  readonly by: Node;
}

/**
 * The cycle of which `start` is the youngest request, if there is one: looks who waits for what it holds, who waits for
 * what those keep, and so on. Pure. Breadth first, so that the cycle is a shortest one.
 */
export function* searchCycle(start: Node, graph: WaitGraph): Search<DeadlockStep[] | null> {
  const waitsFor = new Map<Node, Kept>();
  const read: Read = new Map();
  const open: Kept[] = graph.heldBy(start).map((lease) => ({ lease, by: start }));
  for (const kept of open) {
    yield;
    for (const request of graph.waitersOf(kept.lease, read)) {
      yield;
      if (request.token > start.token || waitsFor.has(request)) continue;
      waitsFor.set(request, kept);
      if (request === start) return stepsFrom(start, waitsFor);
      for (const lease of [request, ...graph.heldBy(request)]) open.push({ lease, by: request });
    }
  }
  return null;
}

function stepsFrom(start: Node, waitsFor: ReadonlyMap<Node, Kept>): DeadlockStep[] {
  const steps: DeadlockStep[] = [];
  let waiting = start;
  do {
    const { lease, by } = waitsFor.get(waiting) as Kept;
    steps.push(stepOf(waiting, lease));
    waiting = by;
  } while (waiting !== start);
  return steps;
}

/** Runs a search to its end without keeping the event loop for more than some milliseconds at a time. */
async function unhurried<T>(search: Search<T>): Promise<T> {
  for (let looked = 1; ; looked += 1) {
    const step = search.next();
    if (step.done === true) return step.value;
    if (looked % 2_000 === 0) await pause(systemClock, 0);
  }
}

/** The error of the request that closed a cycle: it spells the cycle out and says what to do. */
export function deadlock(cycle: readonly DeadlockStep[]): LeaseError<"LEASE_DEADLOCK"> {
  const steps = cycle.slice(0, MAX.blockers).map((step) => {
    const wanted = step.resources.map((resource) => quoted(resource)).join(", ");
    const stands = step.blockedByState === "active" ? "holds" : "is queued before it for";
    return `${agentName(step.agentId)} waits for ${wanted}, but ${agentName(step.blockedByAgentId)} ${stands} ${quoted(step.blockedByResource)}`;
  });
  const message = `This request would wait for itself: ${steps.join("; ")}. Next: release what you hold, then ask for all of it in one request.`;
  return new LeaseError("LEASE_DEADLOCK", message, { cycle });
}

/** Everything that can lie on a cycle: the pending requests, and what they state to hold. */
async function waitsOf(backend: Lister): Promise<Node[]> {
  const pending = await listAll(backend, { state: "pending" });
  const known = new Set(pending.map((lease) => lease.id));
  const held = [...new Set(pending.flatMap((lease) => lease.holding))].filter((id) => !known.has(id));
  const leases = [...pending];
  for (let start = 0; start < held.length; start += MAX.page) {
    leases.push(...(await listAll(backend, { ids: held.slice(start, start + MAX.page) })));
  }
  return leases;
}

/** A chain of waits that is longer is read with all others: each round of questions takes the store's time twice. */
const MOST_ROUNDS = 16;

/**
 * All that can lie on a cycle through a request of which it is the youngest: what waits for it, in the end. From what a
 * request holds that is the requests queued behind that; what these hold, the requests behind that; and so on.
 */
async function waitingFor(backend: Lister, pending: Lease): Promise<Node[]> {
  const known = new Map<string, Node>([[pending.id, pending]]);
  const asked = new Set<string>();
  let rounds = 0;
  for (let fresh: readonly Lease[] = [pending]; fresh.length > 0; rounds += 1) {
    if (rounds === MOST_ROUNDS) return waitsOf(backend);
    const found: Lease[] = [];
    const held = new Set(fresh.flatMap(({ holding }) => holding).filter((id) => !known.has(id)));
    const ids = [...held];
    for (let start = 0; start < ids.length; start += MAX.page) {
      found.push(...(await listAll(backend, { ids: ids.slice(start, start + MAX.page) })));
    }
    // Nothing on the cycle is queued behind the request itself, which is its youngest.
    const others = [...fresh.filter(({ id }) => id !== pending.id), ...found];
    const resources = new Set(others.flatMap(({ claims }) => claims.map(({ resource }) => resource)));
    for (const resource of resources) {
      if (asked.has(resource)) continue;
      asked.add(resource);
      found.push(...(await listAll(backend, { resource, state: "pending" })));
    }
    fresh = found.filter(({ id, token }) => !known.has(id) && token < pending.token);
    for (const lease of fresh) known.set(lease.id, lease);
  }
  return [...known.values()];
}

function stepOf(waiting: Node, blocker: Node): DeadlockStep {
  return {
    waitingId: waiting.id,
    agentId: waiting.agentId,
    resources: waiting.claims.map((claim) => claim.resource),
    blockedById: blocker.id,
    blockedByAgentId: blocker.agentId,
    blockedByResource: (firstConflict(waiting.claims, blocker.claims) as Claim).resource,
    blockedByState: blocker.state as DeadlockStep["blockedByState"],
  };
}
