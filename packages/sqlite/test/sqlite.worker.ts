/** The module of a process host in the tests: backends on the file named. */
import type { LeaseBackend } from "@lease/core";
import { type SqliteBackendOptions, sqliteBackend } from "@lease/sqlite";

export function open(options: SqliteBackendOptions): LeaseBackend {
  return sqliteBackend(options);
}
