/** The tables and functions in the database: made at the first connection, and held to this version at each. */
import { LeaseError } from "@lease/core";
import type { ClientBase } from "pg";
import type { Link } from "./links.js";
import { checkSchema, DEFAULT_SCHEMA, type Settings } from "./options.js";
import acquire from "./sql/acquire.sql";
import end from "./sql/end.sql";
import read from "./sql/read.sql";
import record from "./sql/record.sql";
import release from "./sql/release.sql";
import renew from "./sql/renew.sql";
import rivals from "./sql/rivals.sql";
import step from "./sql/step.sql";
import tables from "./sql/tables.sql";
import tidy from "./sql/tidy.sql";

const LEAST_VERSION = 130_000;
/** Any number will do: it keeps two processes from migrating at once. */
const MIGRATION_LOCK = 5_327_001;

/** What brings a schema from one version to the next. The functions of a version stay, for older processes beside newer ones. */
const MIGRATIONS: readonly string[] = [
  [tables, record, rivals, end, acquire, renew, release, step, tidy, read].join("\n"),
];

/** Looks whether this server keeps what it is given, and sees to the schema. */
export async function prepare({ client }: Link, settings: Settings): Promise<void> {
  const { rows } = await client.query(
    `SELECT pg_is_in_recovery() AS standby, current_setting('server_version_num')::int AS version,
       current_setting('server_encoding') AS encoding, current_setting('synchronous_commit') AS synchronous,
       current_setting('fsync') AS fsync, to_regclass($1) IS NOT NULL AS made`,
    [`${settings.schema}.version`],
  );
  const found = rows[0] as Record<string, unknown>;
  if (found.standby === true) throw new Error("this server is a standby and takes no writes");
  if ((found.version as number) < LEAST_VERSION) throw refused("it is older than Postgres 13");
  if (found.encoding !== "UTF8") throw refused(`its database has the encoding ${found.encoding}, not UTF8`);
  if (!settings.allowDataLoss) {
    for (const name of ["synchronous_commit", "fsync"] as const) {
      if (found[name === "fsync" ? "fsync" : "synchronous"] !== "off") continue;
      throw refused(
        `${name} is off, so a crash may lose leases that were granted. Turn it on, or pass allowDataLoss: true and rely on fencing tokens`,
      );
    }
  }
  const version = found.made === true ? await versionOf(client, settings) : 0;
  if (version > MIGRATIONS.length) {
    throw refused(`its schema ${settings.schema} is of version ${version}, which a newer release made`);
  }
  if (version === MIGRATIONS.length) return;
  if (settings.migrate) return migrate(client, settings);
  throw refused(
    `its schema ${settings.schema} is of version ${version}, not ${MIGRATIONS.length}: run what schemaSql() of @lease/postgres returns, or pass migrate: true`,
  );
}

/**
 * The statements that make the tables and functions, for those whose user may not: hand them to whoever may, and pass
 * `migrate: false`. They are for a database that has none of them yet.
 *
 * @param schema - as the option of that name
 */
export function schemaSql(schema: string = DEFAULT_SCHEMA): string {
  checkSchema(schema);
  return [`CREATE SCHEMA IF NOT EXISTS ${schema};`, ...versions(schema, 0)].join("\n");
}

async function migrate(client: ClientBase, settings: Settings): Promise<void> {
  const { schema } = settings;
  // A stricter isolation would show what was there before the lock.
  await client.query("BEGIN ISOLATION LEVEL READ COMMITTED");
  try {
    await client.query("SELECT pg_advisory_xact_lock($1)", [MIGRATION_LOCK]);
    const { rows } = await client.query(
      "SELECT to_regnamespace($1) IS NOT NULL AS there, to_regclass($2) IS NOT NULL AS made",
      [schema, `${schema}.version`],
    );
    // `IF NOT EXISTS` would want the permission to create one all the same.
    if (rows[0]?.there !== true) await client.query(`CREATE SCHEMA ${schema}`);
    const from = rows[0]?.made === true ? await versionOf(client, settings) : 0;
    for (const statements of versions(schema, from)) await client.query(statements);
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK").catch(() => {});
    throw error;
  }
}

function versions(schema: string, from: number): string[] {
  const mark = [
    ...(from === 0
      ? [
          `CREATE TABLE ${schema}.version (version integer NOT NULL);`,
          `INSERT INTO ${schema}.version VALUES (0);`,
        ]
      : []),
    `UPDATE ${schema}.version SET version = ${MIGRATIONS.length};`,
  ];
  return [
    ...MIGRATIONS.slice(from).map((text) => text.replaceAll(/\blease\.(?=[a-z])/g, `${schema}.`)),
    ...mark,
  ];
}

async function versionOf(client: ClientBase, { schema }: Settings): Promise<number> {
  const { rows } = await client.query(`SELECT version FROM ${schema}.version`);
  return (rows[0]?.version as number | undefined) ?? 0;
}

function refused(why: string): LeaseError<"BACKEND_INCOMPATIBLE"> {
  return new LeaseError("BACKEND_INCOMPATIBLE", `This Postgres cannot be used: ${why}.`);
}
