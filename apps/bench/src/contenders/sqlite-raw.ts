/**
 * The least that a lock table in SQLite could do: an insert and a delete, each a transaction. No owner check, no expiry,
 * no history. It uses the backend's own copy of the driver with the settings of the backend, so that both measure the same.
 */
import { join } from "node:path";
import type { Contender } from "../frame/contender.js";
import { openSqlite } from "./sqlite-driver.js";

const TTL_MS = 30_000;

export const sqliteRaw: Contender = {
  name: "raw SQLite",
  kind: "raw",
  backends: ["sqlite"],
  packages: [],
  takesMany: true,
  renews: true,
  waits: false,
  async open({ address, namespace, synchronous = "NORMAL" }) {
    const db = openSqlite(join(address, `raw-${namespace}.db`));
    db.pragma("journal_mode = WAL");
    db.exec("CREATE TABLE lock (resource TEXT PRIMARY KEY, owner TEXT, expires INTEGER) WITHOUT ROWID");
    // Last: the first use after the switch to WAL would undo it.
    db.pragma(`synchronous = ${synchronous}`);
    const insert = db.prepare("INSERT INTO lock VALUES (?, ?, ?)");
    const extend = db.prepare("UPDATE lock SET expires = ? WHERE resource = ?");
    const remove = db.prepare("DELETE FROM lock WHERE resource = ?");
    const insertAll = db.transaction((names: readonly string[], owner: string) => {
      for (const name of names) insert.run(name, owner, TTL_MS);
    });
    const removeAll = db.transaction((names: readonly string[]) => {
      for (const name of names) remove.run(name);
    });
    let renewals = 0;
    return {
      take(names, caller) {
        const [name = ""] = names;
        const owner = `agent-${caller}`;
        if (names.length > 1) {
          insertAll.immediate(names, owner);
          return { release: () => removeAll.immediate(names) };
        }
        // One statement alone is a transaction of its own, the fastest kind that there is.
        insert.run(name, owner, TTL_MS);
        return {
          renew() {
            // A value that stays the same is not written at all.
            renewals += 1;
            extend.run(TTL_MS + renewals, name);
          },
          release: () => remove.run(name),
        };
      },
      close: () => db.close(),
    };
  },
};
