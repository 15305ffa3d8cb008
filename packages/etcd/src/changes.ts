/** The change feed: a watch on the namespace, from a cursor or from now on. */
import { randomUUID } from "node:crypto";
import { isLeaseError, type LeaseEvent } from "@lease/core";
import { type ChangesOptions, cursorExpired, type HistoryBounds, positionAfter } from "@lease/core/backend";
import type { IResponseHeader } from "etcd3";
import type { Context } from "./context.js";
import { eventOf, LOST, passes, transitionsIn } from "./history.js";
import { Reading } from "./reading.js";
import { get, isMissing, put } from "./txn.js";

/** Where nothing can be written to mark the end, it is where nothing came for this long. */
const QUIET_MS = 400;

export interface Bounds extends HistoryBounds {
  /** The newest write that stands is the newest revision of all: its event ends a reading. */
  readonly isLastSeen: boolean;
  /** The revision in which it was last pruned, if it was. */
  readonly prunedAt: number | null;
}

export async function* changes(context: Context, options: ChangesOptions): AsyncGenerator<LeaseEvent, void> {
  const bounds = await readBounds(context);
  const position = positionAfter(options.after, bounds);
  for await (const { event } of readOn(context, bounds, position, options)) {
    if (passes(event, options)) yield event;
    if (options.signal?.aborted) return;
  }
}

export interface Entry {
  readonly revision: number;
  readonly event: LeaseEvent;
}

/** Every event after a position; without `follow` until the present end. */
export async function* readOn(
  context: Context,
  bounds: Bounds,
  position: number,
  { after, follow = false, signal }: Pick<ChangesOptions, "after" | "follow" | "signal">,
): AsyncGenerator<Entry, void> {
  if (signal?.aborted || (!follow && position >= bounds.last)) return;
  const stopAt = follow ? null : bounds.isLastSeen ? bounds.last : await markEnd(context);
  const reading = new Reading(context, position, {
    isBegun: after === undefined,
    isLive: position >= bounds.last,
    quietMs: stopAt === "quiet" ? QUIET_MS : null,
    boundMs: follow ? null : 2 * context.connection.timeoutMs,
    signal,
  });
  // An end that etcd made by itself bears no time: it came after what came before it, and now if it comes live.
  let earliestWall = 0;
  try {
    for (let events = await reading.next(); events !== null; events = await reading.next()) {
      for (const transition of transitionsIn(context.keys, events)) {
        if (transition === LOST) throw cursorExpired("it was compacted before it was read");
        const { revision, wall } = transition;
        if (revision > bounds.last) earliestWall = Math.max(earliestWall, Date.now());
        const event = eventOf(bounds.epoch, transition, earliestWall);
        earliestWall = Math.max(earliestWall, wall ?? 0);
        yield { revision, event };
      }
      if (typeof stopAt === "number" && events.some(({ kv }) => Number(kv.mod_revision) >= stopAt)) return;
    }
  } finally {
    reading.stop();
  }
}

/** The history's name and how far it reaches. The first reader makes the name. */
export async function readBounds({ connection, keys }: Context): Promise<Bounds> {
  const newest = { sort_target: "Mod", sort_order: "Descend", limit: 1, keys_only: true } as const;
  const read = () =>
    connection.read({
      success: [get(keys.meta), get(keys.pruned), { request_range: { ...keys.feed, ...newest } }],
    });
  let answer = await read();
  if (answer.responses[0]?.response_range.kvs.length === 0) {
    const name = put(keys.meta, Buffer.from(randomUUID()), 0);
    // A slower reader finds the name that another one gave. Without space or the right to write, it has none yet.
    await connection
      .repeatable(({ client }, options) =>
        client.kv.txn({ compare: [isMissing(keys.meta)], success: [name] }, options),
      )
      .catch((error: unknown) => {
        if (!isLeaseError(error, "BACKEND_FULL", "BACKEND_INCOMPATIBLE")) throw error;
      });
    answer = await read();
  }
  const [meta, pruned, last] = answer.responses.map(({ response_range }) => response_range.kvs[0]);
  const name = meta?.value.toString("utf8") ?? "unnamed";
  const revision = Number(answer.header.revision);
  return {
    epoch: epochOf(name, answer.header),
    prunedThrough: pruned === undefined ? 0 : Number(pruned.value.toString("utf8")),
    prunedAt: pruned === undefined ? null : Number(pruned.mod_revision),
    last: revision,
    isLastSeen: last !== undefined && Number(last.mod_revision) === revision,
  };
}

/** A restored snapshot is another cluster, so its history is another one too. */
export function epochOf(name: string, { cluster_id }: Pick<IResponseHeader, "cluster_id">): string {
  return `${name}-${BigInt(cluster_id).toString(16)}`;
}

/**
 * Writes where a reading ends. Otherwise it could not be known: etcd says when there is something, never that there was
 * nothing more, and an expiry leaves nothing behind to read.
 */
async function markEnd({ connection, keys }: Context): Promise<number | "quiet"> {
  try {
    const { header } = await connection.repeatable(({ client }, options) =>
      client.kv.put({ key: keys.end, value: Buffer.alloc(0) }, options),
    );
    return Number(header.revision);
  } catch {
    // No space, or no right to write: reading needs neither.
    return "quiet";
  }
}
