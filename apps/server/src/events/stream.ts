/** Opens an event stream: first what happened after its cursor, then what happens. */
import type { LeaseBackend } from "@lease/core";
import { type ChangesOptions, checkChanges, presentEnd } from "@lease/core/backend";
import { Channel } from "./audience.js";
import { type Feed, RECENT } from "./feed.js";
import type { Follower } from "./follower.js";
import { beginning } from "./frames.js";

export interface Stream {
  readonly follower: Follower;
  readonly changes: ChangesOptions;
  /** Sends the head of the answer. */
  readonly begin: () => void;
  /** Aborts when the client is gone or the server drains. */
  readonly signal: AbortSignal;
}

/**
 * Opens the stream, which goes on when this resolves.
 *
 * @throws what the backend throws for these options, before the head of the answer is sent: after it no status could say
 * that the cursor is too old. Once the stream has begun, an error is its last event
 */
export async function openStream(feed: Feed, backend: LeaseBackend, stream: Stream): Promise<void> {
  const { follower, changes, signal } = stream;
  const leave = () => feed.leave(follower);
  // The feed itself asks the store for everything, so the store would not notice a wrong filter.
  checkChanges(changes);
  await feed.enter(follower);
  try {
    // By name, and sent at once: a client that comes back before its first event would find the end somewhere else.
    const after = changes.after === "end" ? await presentEnd(backend) : changes.after;
    if (feed.since(after) === null) {
      for await (const _ of backend.changes({ ...changes, after, follow: false })) break;
    }
    signal.throwIfAborted();
    stream.begin();
    follower.send(beginning(after));
    signal.addEventListener("abort", () => {
      follower.end();
      leave();
    });
    void follow(feed, backend, stream, after).catch((error: unknown) => {
      follower.end(error);
      leave();
    });
  } catch (error) {
    leave();
    throw error;
  }
}

/** Sends what the store has after the cursor, until the rest is what the feed remembers; then joins its audience. */
async function follow(
  feed: Feed,
  backend: LeaseBackend,
  { follower, changes, signal }: Stream,
  after: string | undefined,
): Promise<void> {
  const wanted = new Channel("", changes);
  /** What was sent, and may be read once more after `from`. */
  let sent = new Set<string>();
  for (let from = after; !signal.aborted; ) {
    const joined = await feed.between(() => {
      const missed = feed.since(from);
      if (missed === null) return false;
      for (const event of missed) {
        if (wanted.wants(event) && !sent.has(event.cursor)) follower.send(feed.frame(event));
      }
      feed.join(follower, changes);
      return true;
    });
    if (joined) return;

    // A client's cursor may be ahead of the feed by some milliseconds: then its past would be sent as its future.
    await feed.catchUp(signal);
    const place = feed.position;
    let last: string | undefined;
    const sentNow = new Set<string>();
    for await (const event of backend.changes({ ...changes, after: from, follow: false, signal })) {
      if (sent.has(event.cursor)) continue;
      last = event.cursor;
      if (sentNow.size <= RECENT) sentNow.add(last);
      await follower.sendSlowly(feed.frame(event), signal);
    }
    // All up to `place` was read. After many events, the last of them is as late a place, and needs no memory.
    if (sentNow.size > RECENT) {
      from = last;
      sent = new Set();
    } else {
      from = place;
      sent = new Set([...sent, ...sentNow]);
    }
  }
}
