/** Every statement, prepared once a connection. Those of the hot path look up by key and never scan. */
import type { HistoryRow, LeaseRow } from "./codec.js";
import type { Connection, Statement } from "./driver.js";

/** The one row of `meta`, and the newest history entry, whose number is also the last token. */
export interface Head {
  readonly epoch: string;
  readonly boot_id: string;
  readonly schema_version: number;
  readonly pruned_through: number;
  /** Changed in place by the step that adds to the history. */
  last: number | null;
  /** Whether there is any claim on a subtree: mostly not, and then nobody needs to look for one. */
  readonly has_subtrees: number;
  /** Whether any ended id is remembered. */
  readonly has_ended: number;
  /** Whether there is an index of agents. */
  readonly has_agents: number;
}

/** What is remembered of the file from one step to the next, see `LeaseDatabase.check`. */
export interface RememberedHead extends Head {
  /** Whether any request is queued; `null` when that is not known. */
  has_queue: number | null;
  /** Rows of leases that steps of this connection wrote, by id. */
  readonly rows: Map<string, LeaseRow>;
}

/** The `kind` column: what a row of `live` stands for. */
export const KIND = Object.freeze({ lease: 0, claim: 1, subtree: 2, place: 3 });

/** A row of `live` that stands for a claim. */
export interface ClaimRow {
  readonly token: number;
  readonly mode: number;
  /** Id of its lease, as `idKey` writes it. */
  readonly body: string;
}

/** A row of `ended`. */
export interface EndedRow {
  readonly agent: string;
  readonly how: "released" | "expired" | "revoked" | "cancelled";
  readonly by: string | null;
  readonly reason: string | null;
  readonly forget_at: number;
}

/** A claim that is to be written. */
export interface StoredClaim {
  readonly kind: number;
  readonly key: string;
  readonly mode: number;
}

/** So many claims share a statement: each statement has its price, and each length of one is kept prepared. */
const CLAIMS_AT_ONCE = 8;

const LEASE = "key AS id, token, state, expires, given_ms, body";
const CLAIM = "token, mode, body";
const LIVE = "kind, key, token, mode, state, expires, given_ms, body";

export type Statements = ReturnType<typeof prepareStatements>;

export function prepareStatements(db: Connection) {
  const prepare = <P extends unknown[], R = unknown>(sql: string) => db.prepare<P, R>(sql);
  /** Statements that differ in how many keys they take, each made when first needed. */
  const byCount = <R = unknown>(sql: (count: number) => string) => {
    const made: Statement<unknown[], R>[] = [];
    return (count: number) => (made[count] ??= prepare<unknown[], R>(sql(count)));
  };
  const subtreesOn = byCount<ClaimRow>((count) =>
    repeat(`SELECT ${CLAIM} FROM live WHERE kind = 2 AND key = ?`, " UNION ALL ", count),
  );
  const anyClaimed = byCount(
    (count) => `${repeat("SELECT 1 FROM live WHERE kind = 1 AND key = ?", " UNION ALL ", count)} LIMIT 1`,
  );
  const insertClaims = byCount(
    (count) =>
      `INSERT OR FAIL INTO live (${LIVE}) VALUES ${repeat("(?, ?, ?, ?, NULL, NULL, NULL, ?)", ", ", count)}`,
  );
  const removeClaims = byCount(
    (count) => `DELETE FROM live WHERE kind = ? AND token = ? AND key IN (${repeat("?", ", ", count)})`,
  );

  return {
    beginWrite: prepare<[]>("BEGIN IMMEDIATE"),
    beginRead: prepare<[]>("BEGIN"),
    commit: prepare<[]>("COMMIT"),
    rollback: prepare<[]>("ROLLBACK"),
    dataVersion: prepare<[], number>("PRAGMA data_version").pluck(),
    head: prepare<[], Head>(
      `SELECT epoch, boot_id, schema_version, pruned_through,
        (SELECT max(sequence) FROM history) AS last,
        EXISTS (SELECT 1 FROM live WHERE kind = 2) AS has_subtrees,
        EXISTS (SELECT 1 FROM ended) AS has_ended,
        EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'live_by_agent') AS has_agents
      FROM meta`,
    ),

    // Leases
    lease: prepare<[string], LeaseRow>(`SELECT ${LEASE} FROM live WHERE kind = 0 AND key = ?`),
    expiresOf: prepare<[string], number>("SELECT expires FROM live WHERE kind = 0 AND key = ?").pluck(),
    /**
     * With its first claim: a statement less for the lease that has only one. OR FAIL, since to be able to undo it
     * alone SQLite would copy every page first; a failure undoes the whole transaction anyway.
     */
    insertLease: prepare<
      [
        ...[id: string, token: number, state: number, expires: number, givenMs: number, body: string],
        ...[agent: string, kind: number, key: string, token: number, mode: number, id: string],
      ]
    >(
      `INSERT OR FAIL INTO live (${LIVE}, agent) VALUES
        (0, ?, ?, NULL, ?, ?, ?, ?, ?), (?, ?, ?, ?, NULL, NULL, NULL, ?, NULL)`,
    ),
    /** Further claims of a lease. */
    insertClaims(claims: readonly StoredClaim[], token: number, id: string): void {
      for (const some of inChunks(claims)) {
        insertClaims(some.length).run(some.flatMap(({ kind, key, mode }) => [kind, key, token, mode, id]));
      }
    },
    insertPlace: prepare<[number, string]>(
      `INSERT OR FAIL INTO live (${LIVE}) VALUES (3, '', ?, NULL, NULL, NULL, NULL, ?)`,
    ),
    hasQueue: prepare<[], number>("SELECT EXISTS (SELECT 1 FROM live WHERE kind = 3)").pluck(),
    updateLease: prepare<[number, number, number, string, string, number]>(
      "UPDATE live SET state = ?, expires = ?, given_ms = ?, body = ? WHERE kind = 0 AND key = ? AND token = ?",
    ),
    /** With its first claim, too. */
    removeLease: prepare<[id: string, token: number, kind: number, key: string, token: number]>(
      `DELETE FROM live WHERE (kind = 0 AND key = ? AND token = ?) OR (kind = ? AND key = ? AND token = ?)`,
    ),
    removePlace: prepare<[number]>("DELETE FROM live WHERE kind = 3 AND key = '' AND token = ?"),
    /** Further claims of a lease, of one kind. */
    removeClaims(kind: number, token: number, keys: readonly string[]): void {
      for (const some of inChunks(keys)) removeClaims(some.length).run(kind, token, ...some);
    },

    // Claims
    /** Whether there is a claim on any of these resources themselves: a statement for several look-ups. */
    isAnyClaimed(resources: readonly string[]): boolean {
      return inChunks(resources).some((some) => anyClaimed(some.length).get(...some) !== undefined);
    },
    claimsOn: prepare<[string], ClaimRow>(`SELECT ${CLAIM} FROM live WHERE kind = 1 AND key = ?`),
    claimsBetween: prepare<[string, string], ClaimRow>(
      `SELECT ${CLAIM} FROM live WHERE kind = 1 AND key >= ? AND key < ?`,
    ),
    subtreesBetween: prepare<[string, string], ClaimRow>(
      `SELECT ${CLAIM} FROM live WHERE kind = 2 AND key >= ? AND key < ?`,
    ),
    allClaims: prepare<[], ClaimRow>(`SELECT ${CLAIM} FROM live WHERE kind IN (1, 2)`),
    /** One look-up for each base: half the price of `key IN (…)`, which sorts them into a table first. */
    subtreesOn: (bases: readonly string[]) => subtreesOn(bases.length).all(...bases),

    // Ids that ended
    ended: prepare<[string], EndedRow>("SELECT agent, how, by, reason, forget_at FROM ended WHERE id = ?"),
    bury: prepare<[string, string, string, string | null, string | null, number]>(
      `INSERT OR REPLACE INTO ended (id, agent, how, by, reason, forget_at) VALUES (?, ?, ?, ?, ?, ?)`,
    ),

    // History
    record: prepare<[number, number, number, string]>(
      "INSERT INTO history (sequence, count, wall, events) VALUES (?, ?, ?, ?)",
    ),
    historyAfter: prepare<[number], HistoryRow>(
      "SELECT sequence, count, wall, events FROM history WHERE sequence > ? ORDER BY sequence LIMIT 1",
    ),
    /** The first number of the row that would hold an entry. */
    firstOfRow: prepare<[number], number>(
      "SELECT sequence - count + 1 FROM history WHERE sequence >= ? ORDER BY sequence LIMIT 1",
    ).pluck(),

    // Lists, of which those of all and, without its index, those of an agent scan
    inLine: prepare<[after: number, limit: number], LeaseRow>(
      `SELECT lease.key AS id, lease.token, lease.state, lease.expires, lease.given_ms, lease.body
        FROM live AS place CROSS JOIN live AS lease ON lease.kind = 0 AND lease.key = place.body
        WHERE place.kind = 3 AND place.key = '' AND place.token > ? ORDER BY place.token LIMIT ?`,
    ),
    ofAgent: prepare<[agent: string, after: number, limit: number], LeaseRow>(
      `SELECT ${LEASE} FROM live WHERE kind = 0 AND agent = ? AND token > ? ORDER BY token LIMIT ?`,
    ),
    leasesAfter: prepare<[after: number, now: number, limit: number], LeaseRow>(
      `SELECT ${LEASE} FROM live WHERE kind = 0 AND token > ? AND expires > ? ORDER BY token LIMIT ?`,
    ),
    /** Whether there are more leases than that. */
    hasMoreThan: prepare<[number], number>("SELECT 1 FROM live WHERE kind = 0 LIMIT 1 OFFSET ?").pluck(),

    // Housekeeping, which scans
    dead: prepare<[number, number], LeaseRow>(
      `SELECT ${LEASE} FROM live WHERE kind = 0 AND expires <= ? ORDER BY token LIMIT ?`,
    ),
    hasForgettable: prepare<[number], number>("SELECT 1 FROM ended WHERE forget_at <= ? LIMIT 1").pluck(),
    forget: prepare<[number]>("DELETE FROM ended WHERE forget_at <= ?"),
    firstYoungEnough: prepare<[number, number, number], number>(
      `SELECT sequence FROM (SELECT sequence, wall FROM history WHERE sequence > ? ORDER BY sequence LIMIT ?)
        WHERE wall >= ? ORDER BY sequence LIMIT 1`,
    ).pluck(),
    prunable: prepare<[number, number, number], { n: number; through: number | null }>(
      `SELECT total(count) AS n, max(sequence) AS through FROM
        (SELECT sequence, count FROM history WHERE sequence > ? AND sequence < ? ORDER BY sequence LIMIT ?)`,
    ),
    deleteHistoryThrough: prepare<[number, number]>(
      "DELETE FROM history WHERE sequence <= ? AND sequence < ?",
    ),
    setPrunedThrough: prepare<[number]>("UPDATE meta SET pruned_through = ?"),
  };
}

function repeat(text: string, between: string, count: number): string {
  return Array.from({ length: count }, () => text).join(between);
}

function inChunks<T>(items: readonly T[]): readonly (readonly T[])[] {
  if (items.length <= CLAIMS_AT_ONCE) return items.length === 0 ? [] : [items];
  const chunks: T[][] = [];
  for (let at = 0; at < items.length; at += CLAIMS_AT_ONCE) chunks.push(items.slice(at, at + CLAIMS_AT_ONCE));
  return chunks;
}
