/**
 * Deadlocks, found where they are certain: by what waiters state that they hold, never by guessing from names.
 *
 * A circle of waits cannot resolve itself. A new wait always begins with a new pending request, the youngest of its
 * circle, so it is enough that each request looks once it stands in line.
 */
import type { LeaseBackend, LeaseQuery } from "../backend/backend.js";
import { MAX_PAGE } from "../backend/backend.js";
import { type DeadlockStep, LeaseError } from "../errors.js";
import { type Claim, type Lease, MAX_BLOCKERS } from "../model/model.js";
import { firstConflict } from "../model/rule.js";
import { agentName, quoted } from "../text.js";
import { type Node, type Wait, WaitGraph } from "./wait-graph.js";

/**
 * Looks for a circle of waits through the given pending request, of which it is the youngest.
 *
 * Pages of a listing are not one snapshot, so a circle counts only when a second look finds one too: true circles
 * stay, torn pictures do not.
 *
 * @returns the steps of the circle, beginning with the request, or `null`
 */
export async function findDeadlock(backend: LeaseBackend, pending: Lease): Promise<DeadlockStep[] | null> {
  if (pending.holding.length === 0) return null;
  const first = circleThrough(pending.id, await waitsOf(backend));
  return first && circleThrough(pending.id, await waitsOf(backend));
}

/**
 * All circles of waits there are now, each beginning with its youngest request: for people and monitors. As above,
 * only what two looks agree on.
 */
export async function findDeadlocks(backend: LeaseBackend): Promise<DeadlockStep[][]> {
  const first = circlesIn(await waitsOf(backend));
  if (first.length === 0) return [];
  const still = new Set(circlesIn(await waitsOf(backend)).map(([step]) => step?.waitingId));
  return first.filter(([step]) => still.has(step?.waitingId));
}

function circlesIn(leases: readonly Node[]): DeadlockStep[][] {
  const circles = new WaitGraph(leases).knots().flatMap((knot) => {
    // All that a circle within it can pass: its requests, and what they hold.
    const ids = new Set(knot.flatMap(({ id, holding }) => [id, ...holding]));
    const passed = leases.filter(({ id }) => ids.has(id));
    return knot.map(({ id }) => circleThrough(id, passed));
  });
  return circles.filter((circle) => circle !== null);
}

/** The error of the request that closed a circle: it spells the circle out and says what to do. */
export function deadlock(cycle: readonly DeadlockStep[]): LeaseError<"LEASE_DEADLOCK"> {
  const steps = cycle.slice(0, MAX_BLOCKERS).map((step) => {
    const wanted = step.resources.map((resource) => quoted(resource)).join(", ");
    const stands = step.blockedByState === "active" ? "holds" : "is queued before it for";
    return `${agentName(step.agentId)} waits for ${wanted}, but ${agentName(step.blockedByAgentId)} ${stands} ${quoted(step.blockedByResource)}`;
  });
  const message = `This request would wait for itself: ${steps.join("; ")}. Next: release what you hold, then ask for all of it in one request.`;
  return new LeaseError("LEASE_DEADLOCK", message, { cycle });
}

/** Everything that can lie on a circle: the pending requests, and what they state to hold. */
async function waitsOf(backend: LeaseBackend): Promise<Node[]> {
  const pending = await listAll(backend, { state: "pending" });
  const known = new Set(pending.map((lease) => lease.id));
  const held = [...new Set(pending.flatMap((lease) => lease.holding))].filter((id) => !known.has(id));
  const leases = [...pending];
  for (let start = 0; start < held.length; start += MAX_PAGE) {
    leases.push(...(await listAll(backend, { ids: held.slice(start, start + MAX_PAGE) })));
  }
  return leases;
}

/** All pages of a listing. */
export async function listAll(backend: LeaseBackend, query: LeaseQuery): Promise<Lease[]> {
  const leases: Lease[] = [];
  let after: string | undefined;
  do {
    const page = await backend.list({ ...query, limit: MAX_PAGE, after });
    leases.push(...page.leases);
    after = page.next ?? undefined;
  } while (after !== undefined);
  return leases;
}

/**
 * The circle through `id` of which it is the youngest pending request, if there is one. Exported for the model and
 * for monitors; pure.
 */
export function circleThrough(id: string, leases: readonly Node[]): DeadlockStep[] | null {
  const start = leases.find((lease) => lease.id === id && lease.state === "pending");
  if (start === undefined) return null;
  // Only pending requests older than the start can lie on a circle of which it is the youngest.
  const graph = new WaitGraph(
    leases.filter((lease) => lease.state === "active" || lease.token <= start.token),
  );
  const seen = new Set<Node>();

  /** Depth first from a waiting request; the path back to the start, as steps. */
  const walk = (waiting: Node): DeadlockStep[] | null => {
    if (seen.has(waiting)) return null;
    seen.add(waiting);
    for (const wait of graph.waitsOf(waiting)) {
      if (wait.behind === start) return [stepOf(waiting, wait)];
      const rest = walk(wait.behind);
      if (rest !== null) return [stepOf(waiting, wait), ...rest];
    }
    return null;
  };
  return walk(start);
}

function stepOf(waiting: Node, { blocker }: Wait): DeadlockStep {
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
