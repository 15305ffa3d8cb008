/**
 * `@lease/postgres`: leases in Postgres.
 *
 * @packageDocumentation
 */
export { postgresBackend } from "./backend.js";
export type { PostgresBackendOptions } from "./options.js";
export { schemaSql } from "./schema.js";
