/**
 * Deadlocks, found where they are certain: by what waiters state that they hold, never by guessing from names.
 *
 * A cycle of waits cannot resolve itself. A new wait always begins with a new pending request, the youngest of its
 * cycle, so it is enough that each request looks once it is queued.
 */
import type { LeaseBackend, LeaseQuery } from "../backend/backend.js";
import { systemClock } from "../clock.js";
import { type DeadlockStep, LeaseError } from "../errors.js";
import { MAX } from "../model/max.js";
import type { Claim, Lease } from "../model/model.js";
import { firstConflict } from "../model/rule.js";
import { agentName, quoted } from "../text.js";
import { pause } from "./backoff.js";
import { type Node, type Place, WaitGraph } from "./wait-graph.js";

/** All that looking takes of a backend. */
type Lister = Pick<LeaseBackend, "list">;

/**
 * Looks for a cycle of waits through the given pending request, of which it is the youngest. It reads what waits for the
 * leases that the request holds, and no more: mostly that is nothing, however many requests are queued elsewhere.
 *
 * Pages of a listing are not one snapshot, so a cycle counts only when a second look finds one too: true cycles stay,
 * torn pictures do not.
 *
 * @returns the steps of the cycle, beginning with the request, or `null`
 */
export async function findDeadlock(backend: Lister, pending: Lease): Promise<DeadlockStep[] | null> {
  if (pending.holding.length === 0) return null;
  const look = async () => {
    const leases = await waitingFor(backend, pending);
    return unhurried(searchCycle(pending.id, new WaitGraph(leases)));
  };
  return (await look()) && (await look());
}

/**
 * All cycles of waits there are now, each beginning with its youngest request: for people and monitors. As above, only
 * what two looks agree on.
 */
export async function findDeadlocks(backend: Lister): Promise<DeadlockStep[][]> {
  const first = await unhurried(searchCycles(await waitsOf(backend)));
  if (first.length === 0) return [];
  const second = await unhurried(searchCycles(await waitsOf(backend)));
  const still = new Set(second.map(([step]) => step?.waitingId));
  return first.filter(([step]) => still.has(step?.waitingId));
}

function* searchCycles(leases: readonly Node[]): Generator<undefined, DeadlockStep[][]> {
  const cycles: DeadlockStep[][] = [];
  for (const component of yield* new WaitGraph(leases).components()) {
    // All that a cycle within it can pass: its requests, and what they hold.
    const ids = new Set(component.flatMap(({ id, holding }) => [id, ...holding]));
    const graph = new WaitGraph(leases.filter(({ id }) => ids.has(id)));
    for (const { id } of component) {
      const cycle = yield* searchCycle(id, graph);
      if (cycle !== null) cycles.push(cycle);
    }
  }
  return cycles;
}

/**
 * The cycle through `id` of which it is the youngest pending request, if there is one. Pure; it yields at each place
 * that it looks at. Breadth first, so that the cycle is a short one.
 */
export function* searchCycle(id: string, graph: WaitGraph): Generator<undefined, DeadlockStep[] | null> {
  const start = graph.requests.find((request) => request.id === id);
  if (start === undefined) return null;
  const cameFrom = new Map<Place, Place>();
  const open: Place[] = [start];
  for (const place of open) {
    yield;
    for (const next of graph.from(place, start.token)) {
      if (next === start) return stepsTo(place, cameFrom);
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, place);
      open.push(next);
    }
  }
  return null;
}

/** The steps from the start of a search to the link that led back to it. */
function stepsTo(last: Place, cameFrom: ReadonlyMap<Place, Place>): DeadlockStep[] {
  const steps: DeadlockStep[] = [];
  // Of the links between two requests, the last one is the blocker.
  let blocker: Node | null = null;
  for (let place: Place | undefined = last; place !== undefined; place = cameFrom.get(place)) {
    if ("lease" in place) blocker ??= place.lease;
    else {
      steps.unshift(stepOf(place, blocker as Node));
      blocker = null;
    }
  }
  return steps;
}

/** Runs a search to its end without keeping the event loop for more than some milliseconds at a time. */
async function unhurried<T>(search: Generator<undefined, T>): Promise<T> {
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

/** All pages of a listing. */
export async function listAll(backend: Lister, query: LeaseQuery): Promise<Lease[]> {
  const leases: Lease[] = [];
  let after: string | undefined;
  do {
    const page = await backend.list({ ...query, limit: MAX.page, after });
    leases.push(...page.leases);
    after = page.next ?? undefined;
  } while (after !== undefined);
  return leases;
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
