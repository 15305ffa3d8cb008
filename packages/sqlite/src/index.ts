/**
 * `@lease/sqlite`: leases in an SQLite file, shared by all processes of one machine.
 *
 * @packageDocumentation
 */
export { type SqliteBackendOptions, sqliteBackend } from "./backend.js";
