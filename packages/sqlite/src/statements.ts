/** Every statement of the hot path, prepared once a connection. All of them look up by key. */
import type { HistoryRow, LeaseRow } from "./codec.js";
import type { Connection, Statement } from "./driver.js";

/** The one row of `meta`, and the newest history entry, whose number is also the last token. */
export interface Head {
  readonly epoch: string;
  readonly boot_id: string;
  readonly schema_version: number;
  readonly pruned_through: number;
  readonly last: number | null;
}

/** A row of `live` that stands for a claim. */
export interface ClaimRow {
  readonly token: number;
  readonly mode: number;
}

/** A row of `ended`. */
export interface EndedRow {
  readonly agent: string;
  readonly how: "released" | "expired" | "revoked" | "cancelled";
  readonly by: string | null;
  readonly reason: string | null;
  readonly forget_at: number;
}

const LEASE = "token, state, expires, given_ms, record";

export type Statements = ReturnType<typeof prepareStatements>;

export function prepareStatements(db: Connection) {
  const prepare = <P extends unknown[], R = unknown>(sql: string) => db.prepare<P, R>(sql);
  const claimsByArity = new Map<number, Statement<string[], ClaimRow>>();

  return {
    beginWrite: prepare<[]>("BEGIN IMMEDIATE"),
    beginRead: prepare<[]>("BEGIN"),
    commit: prepare<[]>("COMMIT"),
    rollback: prepare<[]>("ROLLBACK"),
    head: prepare<[], Head>(
      `SELECT epoch, boot_id, schema_version, pruned_through, (SELECT max(sequence) FROM history) AS last FROM meta`,
    ),

    // What is alive
    tokenOfId: prepare<[string], number>("SELECT token FROM live WHERE kind = 1 AND key = ?").pluck(),
    lease: prepare<[number], LeaseRow>(`SELECT ${LEASE} FROM live WHERE kind = 0 AND key = '' AND token = ?`),
    expiresOf: prepare<[number], number>(
      "SELECT expires FROM live WHERE kind = 0 AND key = '' AND token = ?",
    ).pluck(),
    insertLease: prepare<[number, number, number, number, string, string, number, string, number]>(
      `INSERT INTO live VALUES (0, '', ?, NULL, ?, ?, ?, ?), (1, ?, ?, NULL, NULL, NULL, NULL, NULL),
        (2, ?, ?, NULL, NULL, NULL, NULL, NULL)`,
    ),
    insertClaim: prepare<[string, number, number]>(
      "INSERT INTO live VALUES (3, ?, ?, ?, NULL, NULL, NULL, NULL)",
    ),
    updateLease: prepare<[number, number, number, string, number]>(
      `UPDATE live SET state = ?, expires = ?, given_ms = ?, record = ? WHERE kind = 0 AND key = '' AND token = ?`,
    ),
    deleteLive: prepare<[number, string, number]>(
      "DELETE FROM live WHERE kind = ? AND key = ? AND token = ?",
    ),

    // Claims
    claimsOn(resources: string[]): ClaimRow[] {
      let statement = claimsByArity.get(resources.length);
      if (statement === undefined) {
        const places = resources.map(() => "?").join(", ");
        statement = prepare(`SELECT token, mode FROM live WHERE kind = 3 AND key IN (${places})`);
        claimsByArity.set(resources.length, statement);
      }
      return statement.all(...resources);
    },
    claimsBetween: prepare<[string, string], ClaimRow>(
      "SELECT token, mode FROM live WHERE kind = 3 AND key >= ? AND key < ?",
    ),
    allClaims: prepare<[], ClaimRow>("SELECT token, mode FROM live WHERE kind = 3"),

    // Ids that ended
    ended: prepare<[string], EndedRow>("SELECT agent, how, by, reason, forget_at FROM ended WHERE id = ?"),
    bury: prepare<[string, string, string, string | null, string | null, number]>(
      "INSERT OR REPLACE INTO ended VALUES (?, ?, ?, ?, ?, ?)",
    ),

    // History
    record: prepare<[number, number, number, string, number, number, string, string | null, string | null]>(
      "INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    ),
    historyAfter: prepare<[number, number], HistoryRow>(
      "SELECT * FROM history WHERE sequence > ? ORDER BY sequence LIMIT ?",
    ),
    hasEntry: prepare<[number], number>("SELECT 1 FROM history WHERE sequence = ?").pluck(),

    // Lists
    leasesAfter: prepare<[number, number, number], LeaseRow>(
      `SELECT ${LEASE} FROM live WHERE kind = 0 AND key = '' AND token > ? AND expires > ? ORDER BY token LIMIT ?`,
    ),
    leasesOfAgentAfter: prepare<[string, number, number], LeaseRow>(
      `SELECT lease.token, lease.state, lease.expires, lease.given_ms, lease.record
        FROM live AS agent CROSS JOIN live AS lease
          ON lease.kind = 0 AND lease.key = '' AND lease.token = agent.token
        WHERE agent.kind = 2 AND agent.key = ? AND agent.token > ? ORDER BY agent.token LIMIT ?`,
    ),

    // Housekeeping, which may scan
    dead: prepare<[number, number], LeaseRow>(
      `SELECT ${LEASE} FROM live WHERE kind = 0 AND key = '' AND expires <= ? ORDER BY token LIMIT ?`,
    ),
    hasForgettable: prepare<[number], number>("SELECT 1 FROM ended WHERE forget_at <= ? LIMIT 1").pluck(),
    forget: prepare<[number]>("DELETE FROM ended WHERE forget_at <= ?"),
    firstYoungEnough: prepare<[number, number, number], number>(
      `SELECT sequence FROM (SELECT sequence, wall FROM history WHERE sequence > ? ORDER BY sequence LIMIT ?)
        WHERE wall >= ? ORDER BY sequence LIMIT 1`,
    ).pluck(),
    prunable: prepare<[number, number, number], { n: number; through: number | null }>(
      `SELECT count(*) AS n, max(sequence) AS through FROM
        (SELECT sequence FROM history WHERE sequence > ? AND sequence < ? ORDER BY sequence LIMIT ?)`,
    ),
    deleteHistoryThrough: prepare<[number, number]>(
      "DELETE FROM history WHERE sequence <= ? AND sequence < ?",
    ),
    setPrunedThrough: prepare<[number]>("UPDATE meta SET pruned_through = ?"),
  };
}
