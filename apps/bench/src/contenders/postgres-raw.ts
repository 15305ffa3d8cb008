/**
 * The least that a lock in a table can do over `pg`: an `INSERT` to take it and a `DELETE` to give it back, each a
 * transaction of its own. No queue, no expiry, no fencing, no history.
 */
import pg from "pg";
import type { Contender } from "../frame/contender.js";

const CONNECTIONS = 16;

export const postgresRaw: Contender = {
  name: "raw pg",
  kind: "raw",
  backends: ["postgres"],
  packages: ["pg"],
  waits: false,
  async open({ address, namespace }) {
    const pool = new pg.Pool({ connectionString: address, max: CONNECTIONS });
    await pool.query("CREATE TABLE IF NOT EXISTS raw_lock (name text PRIMARY KEY, holder text NOT NULL)");
    return {
      async take([name = ""], caller) {
        const key = `${namespace}:${name}`;
        await pool.query("INSERT INTO raw_lock VALUES ($1, $2)", [key, `agent-${caller}`]);
        return { release: () => pool.query("DELETE FROM raw_lock WHERE name = $1", [key]) };
      },
      close: () => pool.end(),
    };
  },
};
