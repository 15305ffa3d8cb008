/**
 * A session-level advisory lock over `pg`, as most recipes have it: a connection is borrowed for as long as the lock is
 * held. It has no expiry, ends with its connection, and writes nothing to the disk.
 */
import pg from "pg";
import type { Contender } from "../frame/contender.js";

const CONNECTIONS = 16;

export const pgAdvisoryLock: Contender = {
  name: "pg advisory lock",
  kind: "peer",
  backends: ["postgres"],
  packages: ["pg"],
  waits: false,
  async open({ address, namespace }) {
    const pool = new pg.Pool({ connectionString: address, max: CONNECTIONS });
    return {
      async take([name = ""]) {
        const client = await pool.connect();
        const key = `${namespace}:${name}`;
        const { rows } = await client.query("SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS taken", [
          key,
        ]);
        if (rows[0]?.taken !== true) throw new Error(`${name} should be free`);
        return {
          async release() {
            await client.query("SELECT pg_advisory_unlock(hashtextextended($1, 0))", [key]);
            client.release();
          },
        };
      },
      close: () => pool.end(),
    };
  },
};
