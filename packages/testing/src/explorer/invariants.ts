/** What must hold in every state of the explored world, and across every step. */
import type { Lease, LeaseEventType } from "@lease/core";
import { blockersOf, firstConflict } from "@lease/core/backend";
import { mayFollow } from "../audit.js";
import { believes, type ClientState } from "./client.js";
import { clientOfId, idOf, type World } from "./world.js";

const HELD: readonly (LeaseEventType | undefined)[] = ["acquired", "renewed", "revoking"];

/** Looks at a world and at the step that led to it; says what is broken, or `null`. */
export function violation(before: World, world: World): string | null {
  return (
    brokenStory(world) ??
    brokenBelief(world) ??
    brokenRule(world) ??
    brokenWait(world) ??
    brokenExpiry(before, world) ??
    brokenCount(world) ??
    brokenEnd(before, world)
  );
}

/** Reads what is new in the feed: one life an id, never two holders, tokens that grow with the grants. */
function brokenStory(world: World): string | null {
  for (const { sequence, event } of world.store.eventsAfter(world.seen, 100)) {
    const { lease, type } = event;
    const story = world.stories[lease.id] ?? [];
    const last = story.at(-1);
    if (!mayFollow(last, type) && !isHarmlessSecondLife(world, lease.id, last, type)) {
      return `the feed tells "${type}" of ${lease.id} after "${last ?? "nothing"}"`;
    }
    if (type === "acquired") {
      for (const [other, theirs] of Object.entries(world.stories)) {
        const claims = world.plan(clientOfId(other)).claims;
        if (other !== lease.id && HELD.includes(theirs.at(-1)) && firstConflict(lease.claims, claims)) {
          return `the feed tells "acquired" of ${lease.id} while ${other} holds`;
        }
      }
      // A guard would refuse the new holder where an earlier one wrote under a token that is not smaller.
      for (const [client, token] of world.written.entries()) {
        const id = idOf({ client, life: world.clients[client]?.life ?? 0 });
        if (
          id !== lease.id &&
          token >= lease.token &&
          firstConflict(lease.claims, world.plan(client).claims)
        ) {
          return `${lease.id} is granted token ${lease.token}, and client ${client} wrote under ${token} before`;
        }
      }
    }
    world.stories = { ...world.stories, [lease.id]: [...story, type] };
    world.seen = sequence;
  }
  return null;
}

/**
 * A release leaves no tombstone: an acquire that the *network* repeats after it starts a life that nobody believes in
 * and that ends by its TTL. The caller's own repeats cannot, since it abandons while any is unanswered.
 */
function isHarmlessSecondLife(
  world: World,
  id: string,
  last: LeaseEventType | undefined,
  type: LeaseEventType,
): boolean {
  if (!world.doubled.includes(id) || world.abandoned.includes(id)) return false;
  return (last === "released" || last === "cancelled") && mayFollow(undefined, type);
}

/** Who believes, holds; but for a hard revoke, against which the token helps. */
function brokenBelief(world: World): string | null {
  const live = new Map(world.live().map((lease) => [lease.id, lease]));
  for (const [index, client] of world.clients.entries()) {
    if (!believes(client, world.now)) continue;
    const id = idOf({ client: index, life: client.life });
    const isRevoked = world.hardRevoked.includes(id);
    if (live.get(id)?.state !== "active" && !isRevoked)
      return `client ${index} believes in ${id}, which is over`;
    for (const [other, theirs] of world.clients.entries()) {
      if (other === index || !believes(theirs, world.now)) continue;
      if (!firstConflict(world.plan(index).claims, world.plan(other).claims)) continue;
      if (!isRevoked && !world.hardRevoked.includes(idOf({ client: other, life: theirs.life }))) {
        return `clients ${index} and ${other} both believe that they hold`;
      }
      if (isRevoked && live.has(idOf({ client: other, life: theirs.life })) && !isFenced(client, theirs)) {
        return `client ${index} was revoked, and its token ${client.token} is not below ${theirs.token}`;
      }
    }
  }
  return null;
}

function isFenced(stale: ClientState, holder: ClientState): boolean {
  return stale.token < holder.token;
}

/** The store itself keeps the one rule, with different tokens. */
function brokenRule(world: World): string | null {
  const live = world.live();
  for (const [index, lease] of live.entries()) {
    if (index > 0 && live[index - 1]?.token === lease.token) return `token ${lease.token} was given twice`;
    if (lease.state !== "active") continue;
    const blocker = earlier(lease, live);
    if (blocker !== undefined) return `${lease.id} is active past ${blocker.id}`;
  }
  return null;
}

/** The head of the queue is granted when it asks, and is told that it may. */
function brokenWait(world: World): string | null {
  const live = world.live();
  for (const lease of live) {
    if (lease.state !== "pending") continue;
    const isFree = earlier(lease, live) === undefined;
    const { reached } = world.store.begin(world.moment).steps.turn(lease.id);
    if (reached !== isFree)
      return `turn says ${reached} to ${lease.id}, which is ${isFree ? "next" : "not next"}`;
    const terms = { ttlMs: 1, waitTtlMs: 1, maxRenewals: null, reason: null, metadata: null };
    const wait = "queue" as const;
    const { id, agentId, claims, holding } = lease;
    const asked = world.store
      .clone()
      .begin(world.moment)
      .steps.acquire({ id, agentId, claims, holding, wait, ...terms });
    if ((asked.status === "granted") !== isFree)
      return `${id} asks, ${isFree ? "free" : "blocked"}: ${asked.status}`;
  }
  return null;
}

/** A held lease ends later only by a counted renewal, and never sooner than it was told. */
function brokenExpiry(before: World, world: World): string | null {
  const now = new Map(world.live().map((lease) => [lease.id, lease]));
  for (const was of before.live()) {
    const is = now.get(was.id);
    if (was.state !== "active" || is === undefined || is.token !== was.token) continue;
    const [earlierEnd, end] = [before.now + was.expiresInMs, world.now + is.expiresInMs];
    if (end < earlierEnd) return `${was.id} was to end at ${earlierEnd}, and now at ${end}`;
    if (end > earlierEnd && is.renewals === was.renewals)
      return `${was.id} ends later, and no renewal was counted`;
    if (is.maxRenewals !== null && is.renewals > is.maxRenewals)
      return `${was.id} was renewed past its limit`;
    if (is.renewals > was.renewals + 1)
      return `one step counted ${is.renewals - was.renewals} renewals of ${was.id}`;
  }
  return null;
}

/** However its caller counted before: the next renewal extends a lease, and repeated it does not extend it again. */
function brokenCount(world: World): string | null {
  for (const { id, agentId, state, renewals, maxRenewals, revoking } of world.live()) {
    const isUsedUp = maxRenewals !== null && renewals >= maxRenewals;
    if (state !== "active" || revoking !== null || isUsedUp) continue;
    const store = world.store.clone();
    const ttlMs = 9;
    const next = store.begin(world.moment).steps.renew({ id, agentId, renewal: renewals + 1, ttlMs });
    if (next.status !== "renewed" || next.repeated || next.lease.expiresInMs < ttlMs)
      return `renewal ${renewals + 1} of ${id} is answered ${JSON.stringify(next)}`;
    const later = { ...world.moment, now: world.now + 1 };
    const again = store.begin(later).steps.renew({ id, agentId, renewal: renewals + 1, ttlMs });
    if (again.status !== "renewed" || !again.repeated || again.lease.expiresInMs >= ttlMs)
      return `renewal ${renewals + 1} of ${id}, repeated, is answered ${JSON.stringify(again)}`;
  }
  return null;
}

/** What is over stays over, and when everybody stops, everything ends. */
function brokenEnd(before: World, world: World): string | null {
  for (const { id, token, expiresInMs } of world.live()) {
    const was = before.live().find((lease) => lease.id === id);
    if (was === undefined && world.written.includes(token)) return `${id} is alive again, with its old token`;
    if (world.abandoned.includes(id)) return `${id} lives, though it was abandoned`;
    if (expiresInMs > longestLife(world))
      return `${id} would live on for ${expiresInMs} though everybody stopped`;
  }
  return null;
}

function longestLife({ scenario }: World): number {
  return Math.max(
    ...scenario.clients.flatMap(({ ttl, waitTtl, renewTtls }) => [ttl, waitTtl ?? 0, ...renewTtls]),
  );
}

function earlier(lease: Lease, live: readonly Lease[]): Lease | undefined {
  return blockersOf(lease, live)[0];
}
