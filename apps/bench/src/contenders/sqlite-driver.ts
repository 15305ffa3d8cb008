/** The backend's own copy of the SQLite driver, so that what is measured beside it measures the same. */
import { createRequire } from "node:module";

const DRIVER = "better-sqlite3";

/** As much of the driver as is used here. */
export interface Connection {
  pragma(text: string, options?: { simple: true }): unknown;
  exec(sql: string): unknown;
  prepare(sql: string): { run(...values: unknown[]): unknown };
  transaction<A extends unknown[]>(run: (...args: A) => void): { immediate: (...args: A) => void };
  close(): void;
}

export function openSqlite(path: string): Connection {
  const require = createRequire(createRequire(import.meta.url).resolve("@lease/sqlite"));
  const Database = require(DRIVER) as new (path: string) => Connection;
  return new Database(path);
}
