/**
 * How a namespace lies in Redis. Three keys, all in one hash slot:
 *
 * - the hash `lease:{ns}`
 *   - `n` the head: see {@link HEAD}
 *   - `l<id>` a live lease (or a dead one that no step has passed yet), see {@link RECORD}; or, of an id that must not
 *     live again, a tombstone: `T` · forget at 6 · end 1 · agent · who and why as JSON
 *   - `r<resource>` its queue: for each live lease that claims exactly this resource, held or pending, by token: mode 1 ·
 *     token 7 · `l<id>`
 *   - `w<id>` of a pending lease: other clients than the first that wait for it, 8 each
 *   - `a<bucket><agent>` the agent's leases whose token falls in this bucket, in any order: token 7 · `l<id>`. Nobody
 *     pays for it before the namespace is so big that a walk over all of it would keep others waiting
 * - the sorted set `lease:{ns}:index`: `r<resource>` for every queue, all scores 0, so in order of their names. It is
 *   what finds everything below a subtree, and nobody pays for it before the first subtree claim
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
  /** Agent, claims (each mode 1 · length 2 · `r<resource>`), rest, and to the end: who revokes softly and why. */
  agent: 64,
});

export const VERSION = "2";
/** Above every number that is counted. */
export const NO_LIMIT = 2 ** 53;
/** Numbers end at 2^53; a part is kept for the events of leases that live when new ones are refused. */
export const TOKENS_END = 2 ** 53 - 2 ** 32;
export const CLIENT_WIDTH = 8;
/** A namespace with more fields than this is not walked through in one step; so many take about a millisecond. */
export const WALK_MOST = 2000;
/** Into how many fields an agent's leases are spread, so that taking one out of ten thousand costs little. */
export const BUCKETS = 64;
