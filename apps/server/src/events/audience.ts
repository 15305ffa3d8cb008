/**
 * Who gets an event: streams with the same filters share a channel, and channels are found by the agent, the id or the
 * resource that they ask for. An event that no stream asked for costs some look-ups, however many streams there are.
 */
import type { LeaseEvent, LeaseEventType } from "@lease/core";
import { coveringSubtrees, matchesFilters, subtreeBase } from "@lease/core/backend";
import type { Follower } from "./follower.js";

/** Which events a stream wants; filters add up. */
export interface Filters {
  readonly ids?: readonly string[] | undefined;
  readonly agentId?: string | undefined;
  readonly resource?: string | undefined;
  readonly types?: readonly LeaseEventType[] | undefined;
}

/** Streams with the same filters, and what is gathered for them. */
export class Channel {
  readonly followers = new Set<Follower>();
  frames: string[] = [];
  readonly places: readonly string[];

  constructor(
    readonly key: string,
    readonly filters: Filters,
  ) {
    this.places = placesOf(filters);
  }

  wants(event: LeaseEvent): boolean {
    return (this.filters.types?.includes(event.type) ?? true) && matchesFilters(event.lease, this.filters);
  }
}

export class Audience {
  readonly #channels = new Map<string, Channel>();
  /** By where an event looks for them. */
  readonly #places = new Map<string, Set<Channel>>();

  get channels(): Iterable<Channel> {
    return this.#channels.values();
  }

  /** The channel of these filters, made if there is none. */
  channel(filters: Filters): Channel {
    const { ids, agentId, resource, types } = filters;
    const key = JSON.stringify([ids ?? null, agentId ?? null, resource ?? null, types ?? null]);
    let channel = this.#channels.get(key);
    if (channel !== undefined) return channel;
    channel = new Channel(key, filters);
    this.#channels.set(key, channel);
    for (const place of channel.places) {
      const there = this.#places.get(place);
      if (there === undefined) this.#places.set(place, new Set([channel]));
      else there.add(channel);
    }
    return channel;
  }

  remove(channel: Channel): void {
    this.#channels.delete(channel.key);
    for (const place of channel.places) {
      const there = this.#places.get(place);
      there?.delete(channel);
      if (there?.size === 0) this.#places.delete(place);
    }
  }

  /** The channels that want an event. */
  *of(event: LeaseEvent): Generator<Channel> {
    const found = new Set<Channel>();
    for (const place of this.#placesToLook(event)) {
      for (const channel of this.#places.get(place) ?? []) {
        if (found.has(channel)) continue;
        found.add(channel);
        if (channel.wants(event)) yield channel;
      }
    }
  }

  *#placesToLook({ lease }: LeaseEvent): Generator<string> {
    yield EVERYTHING;
    yield `id ${lease.id}`;
    yield `agent ${lease.agentId}`;
    for (const { resource } of lease.claims) {
      yield `at ${resource}`;
      for (const subtree of coveringSubtrees(resource)) yield `at ${subtree}`;
      const base = subtreeBase(resource);
      if (base !== null) yield `below ${base}`;
    }
  }
}

const EVERYTHING = "";

/** Where events that a channel may want look for it: by the filter that says most. */
function placesOf({ ids, agentId, resource }: Filters): string[] {
  if (ids !== undefined) return ids.map((id) => `id ${id}`);
  if (agentId !== undefined) return [`agent ${agentId}`];
  if (resource === undefined) return [EVERYTHING];
  // A claim on it, or below it; and a claim on a subtree that contains it, by each folder that it lies in.
  const folders = coveringSubtrees(resource).map((subtree) => `below ${subtreeBase(subtree)}`);
  return [`at ${resource}`, ...folders];
}
