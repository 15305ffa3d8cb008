/** Every statement, prepared once a connection. Those of the hot path look up by key and never scan. */
import type { HistoryRow, LeaseRow } from "./codec.js";
import type { Connection, Statement } from "./driver.js";

/** The one row of `meta`, and the newest history entry, whose number is also the last token. */
export interface Head {
  readonly epoch: string;
  readonly boot_id: string;
  readonly schema_version: number;
  readonly pruned_through: number;
  readonly last: number | null;
  /** Whether there is any claim on a subtree: mostly not, and then nobody needs to look for one. */
  readonly has_subtrees: number;
  /** Whether any ended id is remembered. */
  readonly has_ended: number;
}

/** A row of `live` that stands for a claim. */
export interface ClaimRow {
  readonly token: number;
  readonly mode: number;
  /** Id of its lease. */
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

const LEASE = "key AS id, token, state, expires, given_ms, body";
const CLAIM = "token, mode, body";
const LIVE = "kind, key, token, mode, state, expires, given_ms, body";

export type Statements = ReturnType<typeof prepareStatements>;

export function prepareStatements(db: Connection) {
  const prepare = <P extends unknown[], R = unknown>(sql: string) => db.prepare<P, R>(sql);
  const subtreesByArity = new Map<number, Statement<string[], ClaimRow>>();

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
        EXISTS (SELECT 1 FROM ended) AS has_ended
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
      [string, number, number, number, number, string, number, string, number, number, string]
    >(
      `INSERT OR FAIL INTO live (${LIVE}) VALUES (0, ?, ?, NULL, ?, ?, ?, ?), (?, ?, ?, ?, NULL, NULL, NULL, ?)`,
    ),
    insertClaim: prepare<[number, string, number, number, string]>(
      `INSERT INTO live (${LIVE}) VALUES (?, ?, ?, ?, NULL, NULL, NULL, ?)`,
    ),
    insertPlace: prepare<[number, string]>(
      `INSERT INTO live (${LIVE}) VALUES (3, '', ?, NULL, NULL, NULL, NULL, ?)`,
    ),
    updateLease: prepare<[number, number, number, string, string, number]>(
      "UPDATE live SET state = ?, expires = ?, given_ms = ?, body = ? WHERE kind = 0 AND key = ? AND token = ?",
    ),
    remove: prepare<[number, string, number]>("DELETE FROM live WHERE kind = ? AND key = ? AND token = ?"),

    // Claims
    claimsOn: prepare<[string], ClaimRow>(`SELECT ${CLAIM} FROM live WHERE kind = 1 AND key = ?`),
    claimsBetween: prepare<[string, string], ClaimRow>(
      `SELECT ${CLAIM} FROM live WHERE kind = 1 AND key >= ? AND key < ?`,
    ),
    subtreesBetween: prepare<[string, string], ClaimRow>(
      `SELECT ${CLAIM} FROM live WHERE kind = 2 AND key >= ? AND key < ?`,
    ),
    allClaims: prepare<[], ClaimRow>(`SELECT ${CLAIM} FROM live WHERE kind IN (1, 2)`),
    /** One look-up for each base: half the price of `key IN (…)`, which sorts them into a table first. */
    subtreesOn(bases: readonly string[]): ClaimRow[] {
      let statement = subtreesByArity.get(bases.length);
      if (statement === undefined) {
        const one = `SELECT ${CLAIM} FROM live WHERE kind = 2 AND key = ?`;
        statement = prepare(bases.map(() => one).join(" UNION ALL "));
        subtreesByArity.set(bases.length, statement);
      }
      return statement.all(...bases);
    },

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

    // Lists, which scan unless a filter names few leases
    leasesAfter: prepare<
      [number, number, number | null, number | null, string | null, string | null, number],
      LeaseRow
    >(
      `SELECT ${LEASE} FROM live WHERE kind = 0 AND token > ? AND expires > ?
        AND (? IS NULL OR state = ?) AND (? IS NULL OR instr(body, ?)) ORDER BY token LIMIT ?`,
    ),
    placesAfter: prepare<[number, number], ClaimRow>(
      `SELECT ${CLAIM} FROM live WHERE kind = 3 AND key = '' AND token > ? ORDER BY token LIMIT ?`,
    ),

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
