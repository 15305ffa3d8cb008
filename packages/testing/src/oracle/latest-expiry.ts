/** How late the time of a lease can be over, by what was sent up to a moment. Without the store's slack. */
import type { AcquireCall, RenewCall } from "./calls.js";
import type { JudgeLimits } from "./limits.js";
import { countBefore, greatest } from "./sorted.js";
import { isQueueing, type Life, mayBeHandedOver } from "./story.js";

/** Something that can put the expiry off. */
interface Extension {
  readonly from: number;
  /** To this moment at the latest, if the call had its effect; otherwise `-Infinity`. */
  readonly until: number;
  /** By so much beyond whatever it would have been, if the call may still arrive; otherwise 0. */
  readonly byMs: number;
}

/** Up to which calls an expiry is asked for. */
export type SentBy = { readonly before: number } | { readonly upTo: number };

/** The latest expiry, as calls put it off one after the other. */
export class LatestExpiry {
  readonly #base: number;
  readonly #extensions: readonly Extension[];
  readonly #latest: number[] = [];

  /** @param slackMs - how long after its time a lease may still be renewed */
  constructor(base: number, extensions: readonly Extension[], slackMs: number) {
    this.#base = base;
    this.#extensions = [...extensions].sort((a, b) => a.from - b.from);
    let until = base;
    let byMs = 0;
    for (const extension of this.#extensions) {
      until = Math.max(until, extension.until);
      // What was sent after the lease was over revives nothing.
      if (extension.from <= until + byMs + slackMs) byMs += extension.byMs;
      this.#latest.push(until + byMs);
    }
  }

  /** By the calls sent before a moment, or up to it. */
  by(sent: SentBy): number {
    const at = "before" in sent ? sent.before : sent.upTo;
    const count = countBefore(this.#extensions, at, ({ from }) => from, "upTo" in sent);
    return this.#latest[count - 1] ?? this.#base;
  }
}

/** While it is queued: each acquire gives it `waitTtlMs` more. */
export function queuedExpiry(
  life: Life,
  { enteredBy, ttlMs }: { readonly enteredBy: number; readonly ttlMs: number },
  limits: JudgeLimits,
  restarts: readonly number[],
): LatestExpiry {
  const own = life.story.acquires.filter(({ request }) => request.agentId === life.agentId);
  const waitTtlOf = ({ request }: AcquireCall) => rounded(request.waitTtlMs, limits);
  const extensions = orphaned(restarts, ttlMs, limits);
  for (const call of own) {
    if (call.answer === null) {
      // It may also have been granted, without an answer that says so.
      const byMs = Math.max(ttlMs, isQueueing(call) ? waitTtlOf(call) : 0);
      extensions.push({ from: call.from, until: Number.NEGATIVE_INFINITY, byMs });
    } else if (call.answer.status === "refused" && call.answer.lease?.token === life.token) {
      extensions.push({ from: call.from, until: call.to + waitTtlOf(call), byMs: 0 });
    }
  }
  const entering = own.filter(({ from }) => from <= enteredBy);
  const handedOverMs = own.some(mayBeHandedOver) ? ttlMs : 0;
  const base = enteredBy + greatest(entering, waitTtlOf) + handedOverMs;
  return new LatestExpiry(base, extensions, limits.expirySlackMs);
}

/** While it is active: its TTL from the grant, and that of each renewal which counts. */
export function heldExpiry(
  life: Life,
  { activeBy, ttlMs }: { readonly activeBy: number; readonly ttlMs: number },
  limits: JudgeLimits,
  restarts: readonly number[],
): LatestExpiry {
  const extensions = orphaned(restarts, ttlMs, limits);
  const countedBy = whenCounted(life);
  for (const call of life.story.renewals) {
    const { request, answer, from, to } = call;
    if (!mayBeOf(life, call)) continue;
    const byMs = request.ttlMs === undefined ? ttlMs : rounded(request.ttlMs, limits);
    if (answer?.status === "renewed" && answer.lease.token === life.token && !answer.repeated) {
      extensions.push({ from, until: to + byMs, byMs: 0 });
    } else if (answer === null) {
      // Once its count is reached, a copy of it that arrives later extends nothing.
      const isCounted = request.renewal !== undefined && countsRenewals(life, limits);
      const latest = isCounted ? countedBy(request.renewal) : Number.POSITIVE_INFINITY;
      if (latest === Number.POSITIVE_INFINITY)
        extensions.push({ from, until: Number.NEGATIVE_INFINITY, byMs });
      else extensions.push({ from, until: latest + byMs, byMs: 0 });
    }
  }
  return new LatestExpiry(activeBy + ttlMs, extensions, limits.expirySlackMs);
}

/** Whether a renewal names a lease, or gives no token by which it would not. */
export function mayBeOf(life: Life, { request }: RenewCall): boolean {
  return request.agentId === life.agentId && (request.token === undefined || request.token === life.token);
}

/** Whether the renewals of a lease are counted at all. */
export function countsRenewals(life: Life, limits: JudgeLimits): boolean {
  const maxRenewals = life.lease?.maxRenewals ?? life.story.acquires[0]?.request.maxRenewals ?? null;
  return limits.renewals !== "uncounted" || maxRenewals !== null;
}

/** A TTL as the store rounds it. */
export function rounded(ttlMs: number, { ttlStepMs }: JudgeLimits): number {
  return Math.ceil(ttlMs / ttlStepMs) * ttlStepMs;
}

/** By when a count was reached, as far as any answer shows it. */
function whenCounted({ sightings }: Life): (renewal: number) => number {
  const shown = sightings.flatMap(({ renewals, to }) => (renewals === null ? [] : { renewals, to }));
  shown.sort((a, b) => a.renewals - b.renewals);
  const earliest: number[] = [];
  for (let index = shown.length - 1, by = Number.POSITIVE_INFINITY; index >= 0; index -= 1) {
    by = Math.min(by, (shown[index] as { to: number }).to);
    earliest[index] = by;
  }
  return (renewal) =>
    earliest[countBefore(shown, renewal, ({ renewals }) => renewals)] ?? Number.POSITIVE_INFINITY;
}

/** A restart may give a lease more time, once for each. */
function orphaned(restarts: readonly number[], ttlMs: number, { orphanSlackTtls }: JudgeLimits): Extension[] {
  const byMs = ttlMs * orphanSlackTtls;
  return restarts.map((from) => ({ from, until: Number.NEGATIVE_INFINITY, byMs }));
}
