/**
 * How a namespace lies in Redis. Three keys, all in one hash slot:
 *
 * - the hash `lease:{ns}`
 *   - `n` the head: see {@link HEAD}
 *   - `l<id>` a live lease (or a dead one that no step has passed yet), see {@link RECORD}; or, of an id that must not
 *     live again, a tombstone: see {@link TOMBSTONE}
 *   - `r<resource>` its queue: for each live lease that claims exactly this resource, held or pending, by token, a
 *     {@link TICKET}
 *   - `w<id>` of a pending lease: other clients than the first that wait for it, 8 bytes each
 *   - `a<bucket><agent>` the agent's leases whose token falls in this bucket, in any order, a {@link BUCKET} ticket each.
 *     It costs nothing before the namespace is so big that a walk over all of it would keep others waiting
 * - the sorted set `lease:{ns}:index`: `r<resource>` for every queue, all scores 0, so in order of their names. It is
 *   what finds everything below a subtree, and costs nothing before the first subtree claim
 * - the stream `lease:{ns}:history`: one entry for each call that changed something; its id is the number of its last
 *   event, its only field: when 6 · how many events 2 · the events, each: type 1 · number 7 · length of the record 3 ·
 *   length of who and why 3 · `l<id>` · record · who and why as JSON
 *
 * None of them carries an expiry, so no `volatile-*` eviction policy can touch them. Numbers are big-endian and of so
 * many bytes: a third of the room that digits take, and an eighth of the time. Times are ms of the server's clock. An
 * agent is its length in 2 bytes, and its name.
 */

/** Where the parts of the head begin (as JavaScript counts). */
export const HEAD = Object.freeze({
  /** Of this layout: {@link VERSION}. */
  version: 0,
  /** The last fencing token, which is also the number of the newest event: both come from one counter. */
  last: 1,
  /** The newest event that was pruned. */
  pruned: 8,
  /** When this history began, in µs. */
  epoch: 15,
  pending: 22,
  /** Subtree claims of live leases. */
  subtrees: 26,
  /** `1`: every queue stands in the index. */
  indexed: 30,
  /** `1`: every lease stands in a bucket of its agent. */
  bucketed: 31,
});

/** Where the parts of a record begin (as JavaScript counts), all but the last four of fixed width. */
export const RECORD = Object.freeze({
  /** `P` pending, `A` active, or `H` active by a hand-off that its holder has not asked for. */
  state: 0,
  token: 1,
  expires: 8,
  requested: 14,
  /** While pending 0, or 1 when its client takes a hand-off. */
  acquired: 20,
  ttl: 26,
  renewals: 30,
  /** {@link NO_LIMIT}: as often as its holder likes. */
  maxRenewals: 37,
  /** Of a soft revoke: renewals are refused from here on; 0: there is none. */
  refusedFrom: 44,
  /** The client that entered the queue, so that it can be called. */
  client: 50,
  claimsLength: 58,
  /** Of the JSON of holding, reason and metadata; empty when all are. */
  restLength: 61,
  agent: 64,
  /** Of the agent, then claims (a {@link CLAIM} each), rest, and to the end: who revokes softly and why. */
  name: 66,
});

/** Where the parts of a tombstone begin: `T`, until when it is kept, how it ended; then agent, and who and why as JSON. */
const TOMBSTONE = Object.freeze({ until: 1, how: 7, agent: 8 });

/** Mode, length of the queue's name, and the name. */
const CLAIM = Object.freeze({ mode: 0, length: 1, queue: 3 });

const TICKET = Object.freeze({ mode: 0, token: 1, lease: 8, width: 45 });
const BUCKET = Object.freeze({ token: 0, lease: 7, width: 44 });

/** What each call says besides its operations. */
const SETTINGS = Object.freeze({ client: 0, endMemory: 8, recordRenewals: 14 });

/** Operations, after their letter. */
const ACQUIRE = Object.freeze({
  wait: 1,
  lease: 2,
  waiting: 39,
  /** From here on a record. */
  ttl: 43,
  claimsLength: 43 + RECORD.claimsLength - RECORD.ttl,
  agent: 43 + RECORD.agent - RECORD.ttl,
  name: 43 + RECORD.name - RECORD.ttl,
});
/** Where the lease of any other operation begins. */
const OPERATION = Object.freeze({ lease: 1, rest: 38 });
const RENEW = Object.freeze({ token: 38, ttl: 45, renewal: 49, agent: 56 });
const RELEASE = Object.freeze({ token: 38, agent: 45 });
const REVOKE = Object.freeze({ grace: 38, act: 44 });

export const VERSION = "2";
/** Above every number that is counted. */
export const NO_LIMIT = 2 ** 53;
/** Numbers end at 2^53; a part is kept for the events of leases that live when new ones are refused. */
const TOKENS_END = 2 ** 53 - 2 ** 32;
export const CLIENT_WIDTH = 8;
/** A namespace with more fields than this is not walked through in one step; so many take about a millisecond. */
const WALK_MOST = 2000;
/** Into how many fields an agent's leases are spread, so that taking one out of ten thousand costs little. */
const BUCKETS = 64;

/** What scripts compare with a byte. */
const LETTERS = Object.freeze({
  IS_VERSION: VERSION,
  IS_PENDING: "P",
  IS_ACTIVE: "A",
  IS_HANDED_OVER: "H",
  IS_TOMBSTONE: "T",
  IS_EXCLUSIVE: "x",
  IS_QUEUE: "r",
  IS_LEASE: "l",
  IS_BUCKET: "a",
  IS_ASTERISK: "*",
  IS_ACQUIRE: "A",
  IS_RELEASE: "D",
  IS_NO: "0",
  IS_YES: "1",
  TAKES_HAND_OFF: "2",
});

/**
 * What scripts call by name, and what is put in for the name when they are loaded. Lua counts from 1: what has a place
 * of its own in a text is that much later; of what repeats (tickets, claims) or lies in a longer text (operations), the
 * name says how far behind its beginning it lies.
 */
export const NAMES: Readonly<Record<string, string>> = Object.freeze({
  ...named("HEAD", HEAD, 1),
  ...named("RECORD", RECORD, 1),
  ...named("TOMBSTONE", TOMBSTONE, 1),
  ...named("SETTINGS", SETTINGS, 1),
  ...named("CLAIM", CLAIM, 0),
  ...named("TICKET", TICKET, 0),
  ...named("BUCKET", BUCKET, 0),
  ...named("ACQUIRE", ACQUIRE, 0),
  ...named("OPERATION", OPERATION, 0),
  ...named("RENEW", RENEW, 0),
  ...named("RELEASE", RELEASE, 0),
  ...named("REVOKE", REVOKE, 0),
  ...Object.fromEntries(Object.entries(LETTERS).map(([name, letter]) => [name, `${letter.charCodeAt(0)}`])),
  LAYOUT_VERSION: `'${VERSION}'`,
  LEASE_WIDTH: "37",
  CLIENT_WIDTH: `${CLIENT_WIDTH}`,
  NO_LIMIT: `${NO_LIMIT}`,
  TOKENS_END: `${TOKENS_END}`,
  WALK_MOST: `${WALK_MOST}`,
  BUCKETS_COUNT: `${BUCKETS}`,
});

function named(of: string, parts: Readonly<Record<string, number>>, first: number): Record<string, string> {
  return Object.fromEntries(
    Object.entries(parts).map(([part, at]) => [
      `${of}_${part.replace(/[A-Z]/g, "_$&").toUpperCase()}`,
      `${at + first}`,
    ]),
  );
}
