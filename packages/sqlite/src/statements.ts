/** Every statement, prepared once a connection. Those of the hot path look up by key and never scan. */
import type { HistoryRow, LeaseRow, StoredLease } from "./codec.js";
import type { Connection, Statement } from "./driver.js";
import type { LongQueues } from "./queues.js";

/**
 * The one row of `meta`, and what else is remembered of the file from one transaction to the next, see
 * `LeaseDatabase.check`. A step that changes one of these changes it here too, or has the head read again.
 */
export interface Head {
  readonly epoch: string;
  readonly boot_id: string;
  readonly schema_version: number;
  readonly pruned_through: number;
  /** Number of the newest history entry, which is also the last token; 0 before the first. */
  last: number;
  /** Whether there is any claim on a subtree: mostly not, and then no step looks for one. */
  has_subtrees: number;
  /** Whether any ended id is remembered. */
  has_ended: number;
  /** Whether there is an index of agents. */
  readonly has_agents: number;
  /** Whether any request is queued; `null` when that is not known. */
  has_queue: number | null;
  /** Leases that steps of this connection wrote, by id. */
  readonly leases: Map<string, StoredLease>;
  /** The long queues of the file. */
  readonly queues: LongQueues;
}

/** The `kind` column: what a row of `live` stands for. */
export const KIND = Object.freeze({ claim: 1, subtree: 2 });

/** A row of `live` that stands for a claim. */
export interface ClaimRow {
  /** Of its lease. */
  readonly token: number;
  readonly mode: number;
  /** Id of its lease, as `idKey` writes it. */
  readonly key: string;
}

/** A row of `ended`. */
export interface EndedRow {
  readonly agent: string;
  readonly how: "released" | "expired" | "revoked" | "cancelled";
  readonly by: string | null;
  readonly reason: string | null;
  readonly forget_at: number;
}

/** A claim as it is stored. */
export interface StoredClaim {
  readonly kind: number;
  readonly key: string;
  readonly mode: number;
}

/** The most claims in one statement: each statement has its price, and each length of one is kept prepared. */
const CLAIMS_AT_ONCE = 8;

const LEASE = "key AS id, token, state, expires, given_ms, body";
const CLAIM = "token, mode, body AS key";
const LIVE = "kind, key, token, mode, state, expires, given_ms, body";

export type Statements = ReturnType<typeof prepareStatements>;

export function prepareStatements(db: Connection) {
  const prepare = <P extends unknown[], R = unknown>(sql: string) => db.prepare(sql) as Statement<P, R>;
  const number = <P extends unknown[]>(sql: string) => db.prepare(sql).pluck() as Statement<P, number>;
  /** A statement with a part that is repeated, once for each key; made when it is first needed. */
  const repeating = <R = unknown>(sql: (repeat: (part: string, between: string) => string) => string) => {
    const made: Statement<unknown[], R>[] = [];
    return (count: number) => {
      made[count] ??= prepare(sql((part, between) => Array(count).fill(part).join(between)));
      return made[count];
    };
  };
  const subtreesOn = repeating<ClaimRow>((repeat) =>
    repeat(`SELECT ${CLAIM} FROM live WHERE kind = 2 AND key = ?`, " UNION ALL "),
  );
  const anyClaimed = repeating(
    (repeat) => `${repeat("SELECT 1 FROM live WHERE kind = 1 AND key = ?", " UNION ALL ")} LIMIT 1`,
  );
  const insertClaims = repeating(
    (repeat) =>
      `INSERT OR FAIL INTO live (${LIVE}) VALUES ${repeat("(?, ?, ?, ?, NULL, NULL, NULL, ?)", ", ")}`,
  );
  const removeClaims = repeating(
    (repeat) => `DELETE FROM live WHERE kind = ? AND token = ? AND key IN (${repeat("?", ", ")})`,
  );

  return {
    beginWrite: prepare<[]>("BEGIN IMMEDIATE"),
    beginRead: prepare<[]>("BEGIN"),
    commit: prepare<[]>("COMMIT"),
    rollback: prepare<[]>("ROLLBACK"),
    dataVersion: number<[]>("PRAGMA data_version"),
    head: prepare<[], Omit<Head, "has_queue" | "leases" | "queues">>(
      `SELECT epoch, boot_id, schema_version, pruned_through,
        coalesce((SELECT max(sequence) FROM history), 0) AS last,
        EXISTS (SELECT 1 FROM live WHERE kind = 2) AS has_subtrees,
        EXISTS (SELECT 1 FROM ended) AS has_ended,
        EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'live_by_agent') AS has_agents
      FROM meta`,
    ),

    // Leases
    lease: prepare<[string], LeaseRow>(`SELECT ${LEASE} FROM live WHERE kind = 0 AND key = ?`),
    expiresOf: number<[string]>("SELECT expires FROM live WHERE kind = 0 AND key = ?"),
    /**
     * With its first claim: a statement less for the lease that has only one. OR FAIL, since to be able to undo it
     * alone SQLite would copy every page first; a failure undoes the whole transaction anyway.
     */
    insertLease: prepare(
      `INSERT OR FAIL INTO live (${LIVE}, agent) VALUES
        (0, ?, ?, NULL, ?, ?, ?, ?, ?), (?, ?, ?, ?, NULL, NULL, NULL, ?, NULL)`,
    ),
    updateLease: prepare<[number, number, number, string, string, number]>(
      "UPDATE live SET state = ?, expires = ?, given_ms = ?, body = ? WHERE kind = 0 AND key = ? AND token = ?",
    ),
    /** With its first claim, too. */
    removeLease: prepare<[id: string, token: number, kind: number, key: string, token: number]>(
      "DELETE FROM live WHERE (kind = 0 AND key = ? AND token = ?) OR (kind = ? AND key = ? AND token = ?)",
    ),
    insertQueued: prepare<[number, string]>(
      `INSERT OR FAIL INTO live (${LIVE}) VALUES (3, '', ?, NULL, NULL, NULL, NULL, ?)`,
    ),
    removeQueued: prepare<[number]>("DELETE FROM live WHERE kind = 3 AND key = '' AND token = ?"),
    hasQueue: number<[]>("SELECT EXISTS (SELECT 1 FROM live WHERE kind = 3)"),

    // Claims
    insertClaims(claims: readonly StoredClaim[], token: number, id: string): void {
      for (const some of inChunks(claims)) {
        insertClaims(some.length).run(some.flatMap(({ kind, key, mode }) => [kind, key, token, mode, id]));
      }
    },
    removeClaims(claims: readonly StoredClaim[], token: number): void {
      if (claims.length === 0) return;
      for (const kind of [KIND.claim, KIND.subtree]) {
        const keys = claims.filter((claim) => claim.kind === kind).map(({ key }) => key);
        for (const some of inChunks(keys)) removeClaims(some.length).run(kind, token, ...some);
      }
    },
    /** Whether there is a claim on any of these resources themselves: a statement for several look-ups. */
    isAnyClaimed(resources: readonly string[]): boolean {
      return inChunks(resources).some((some) => anyClaimed(some.length).get(...some) !== undefined);
    },
    claimsOn: prepare<[string], ClaimRow>(
      `SELECT ${CLAIM} FROM live WHERE kind = 1 AND key = ? ORDER BY token`,
    ),
    /** The nearest claim before a token. */
    claimBefore: prepare<[kind: number, resource: string, token: number, leastMode: number], ClaimRow>(
      `SELECT ${CLAIM} FROM live WHERE kind = ? AND key = ? AND token < ? AND mode >= ?
        ORDER BY token DESC LIMIT 1`,
    ),
    claimsBetween: prepare<[kind: number, string, string], ClaimRow>(
      `SELECT ${CLAIM} FROM live WHERE kind = ? AND key >= ? AND key < ?`,
    ),
    allClaims: prepare<[], ClaimRow>(`SELECT ${CLAIM} FROM live WHERE kind IN (1, 2)`),
    /** One look-up for each base: half the price of `key IN (…)`, which sorts them into a table first. */
    subtreesOn: (bases: readonly string[]) => subtreesOn(bases.length).all(...bases),

    // Ids that ended
    ended: prepare<[string], EndedRow>("SELECT agent, how, by, reason, forget_at FROM ended WHERE id = ?"),
    bury: prepare<[string, string, string, string | null, string | null, number]>(
      "INSERT OR REPLACE INTO ended (id, agent, how, by, reason, forget_at) VALUES (?, ?, ?, ?, ?, ?)",
    ),

    // History
    record: prepare<[number, number, number, string]>(
      "INSERT INTO history (sequence, count, wall, events) VALUES (?, ?, ?, ?)",
    ),
    historyAfter: prepare<[number], HistoryRow>(
      "SELECT sequence, count, wall, events FROM history WHERE sequence > ? ORDER BY sequence LIMIT 1",
    ),
    /** The first number of the row that would hold an entry. */
    firstOfRow: number<[number]>(
      "SELECT sequence - count + 1 FROM history WHERE sequence >= ? ORDER BY sequence LIMIT 1",
    ),

    // Lists. A list of all scans, and so does one of an agent's leases without its index.
    queuedAfter: prepare<[after: number, limit: number], LeaseRow>(
      `SELECT lease.key AS id, lease.token, lease.state, lease.expires, lease.given_ms, lease.body
        FROM live AS queued CROSS JOIN live AS lease ON lease.kind = 0 AND lease.key = queued.body
        WHERE queued.kind = 3 AND queued.key = '' AND queued.token > ? ORDER BY queued.token LIMIT ?`,
    ),
    ofAgent: prepare<[agent: string, after: number, limit: number], LeaseRow>(
      `SELECT ${LEASE} FROM live WHERE kind = 0 AND agent = ? AND token > ? ORDER BY token LIMIT ?`,
    ),
    leasesAfter: prepare<[after: number, now: number, limit: number], LeaseRow>(
      `SELECT ${LEASE} FROM live WHERE kind = 0 AND token > ? AND expires > ? ORDER BY token LIMIT ?`,
    ),
    /** Costs each step a page more, so it is made only when a list has scanned many leases for an agent's. */
    indexAgents: prepare<[]>(
      "CREATE INDEX IF NOT EXISTS live_by_agent ON live (agent, token) WHERE agent IS NOT NULL",
    ),
    /** Whether there are more leases than that. */
    hasMoreThan: number<[number]>("SELECT 1 FROM live WHERE kind = 0 LIMIT 1 OFFSET ?"),

    // Housekeeping, which scans
    over: prepare<[now: number, limit: number], LeaseRow>(
      `SELECT ${LEASE} FROM live WHERE kind = 0 AND expires <= ? ORDER BY token LIMIT ?`,
    ),
    hasForgettable: number<[number]>("SELECT 1 FROM ended WHERE forget_at <= ? LIMIT 1"),
    forget: prepare<[number]>("DELETE FROM ended WHERE forget_at <= ?"),
    firstYoungEnough: number<[after: number, limit: number, wall: number]>(
      `SELECT sequence FROM (SELECT sequence, wall FROM history WHERE sequence > ? ORDER BY sequence LIMIT ?)
        WHERE wall >= ? ORDER BY sequence LIMIT 1`,
    ),
    prunable: prepare<[after: number, before: number, limit: number], { n: number; through: number | null }>(
      `SELECT total(count) AS n, max(sequence) AS through FROM
        (SELECT sequence, count FROM history WHERE sequence > ? AND sequence < ? ORDER BY sequence LIMIT ?)`,
    ),
    prune: prepare<[through: number, newest: number]>(
      "DELETE FROM history WHERE sequence <= ? AND sequence < ?",
    ),
    setPrunedThrough: prepare<[number]>("UPDATE meta SET pruned_through = ?"),
  };
}

function inChunks<T>(items: readonly T[]): readonly (readonly T[])[] {
  const chunks: T[][] = [];
  for (let at = 0; at < items.length; at += CLAIMS_AT_ONCE) chunks.push(items.slice(at, at + CLAIMS_AT_ONCE));
  return chunks;
}
