/** Where the leases are, and what an address leaves open. */
import type { ConnectionOptions as TlsOptions } from "node:tls";
import { checkEndMemory, checkInteger, invalidArgument } from "@lease/core/backend";
import type { Pool } from "pg";

/** Where the leases are. Give either `url` or `pool`. */
export interface PostgresBackendOptions {
  /**
   * `postgres://user:password@host:5432/database`, with several hosts if need be: `postgres://…@host-1,host-2:5433/database`.
   * The backend uses the first that takes writes. It opens its own connections and closes them.
   */
  readonly url?: string;
  /** A pool of `pg`, which stays open. The backend borrows a connection for each call, and keeps one while it listens. */
  readonly pool?: Pool;
  /**
   * Where to listen for notifications when `url` or `pool` leads through a pooler that gives connections away between
   * transactions (PgBouncer), on which nothing is heard: a direct URL; or `"poll"`, to look every 250 ms while there are
   * waiters and followers. Default: where the calls go.
   */
  readonly listenUrl?: string;
  /** TLS, with the options of Node. Default: none. The words of `sslmode` mean other things to other clients, so a URL takes none. */
  readonly ssl?: boolean | TlsOptions;
  /** Leases of one namespace know nothing of those of another. Default `"default"`. */
  readonly namespace?: string;
  /** The database schema of the tables and functions. Default `"lease"`. */
  readonly schema?: string;
  /** Whether to create what is missing in the schema. Default true; without, run what `schemaSql()` returns once. */
  readonly migrate?: boolean;
  /** The bound of a call. Default 5000 ms; then `BACKEND_UNAVAILABLE`, or `OUTCOME_UNKNOWN` if it was sent. */
  readonly callTimeoutMs?: number;
  /** How long an id that ended by force or by time is remembered. Default 60 000 ms. */
  readonly endMemoryMs?: number;
  /** Whether renewals are in the history. Default true; without, a renewal writes less. */
  readonly recordRenewals?: boolean;
  /** Use a server that answers before a commit is on the disk (`synchronous_commit = off`, `fsync = off`). Default false: it is refused. */
  readonly allowDataLoss?: boolean;
}

/** The options with their defaults. */
export interface Settings {
  readonly namespace: string;
  readonly schema: string;
  readonly migrate: boolean;
  readonly callTimeoutMs: number;
  readonly endMemoryMs: number;
  readonly recordRenewals: boolean;
  readonly allowDataLoss: boolean;
}

const MAX_NAME_BYTES = 200;
export const DEFAULT_SCHEMA = "lease";

/** @throws `INVALID_ARGUMENT` for a bad option */
export function settingsOf(options: PostgresBackendOptions): Settings {
  const settings = {
    namespace: options.namespace ?? "default",
    schema: options.schema ?? DEFAULT_SCHEMA,
    migrate: options.migrate ?? true,
    callTimeoutMs: options.callTimeoutMs ?? 5000,
    endMemoryMs: options.endMemoryMs ?? 60_000,
    recordRenewals: options.recordRenewals ?? true,
    allowDataLoss: options.allowDataLoss ?? false,
  };
  checkInteger(settings.callTimeoutMs, "callTimeoutMs", 1, 2 ** 31 - 1);
  checkEndMemory(settings.endMemoryMs);
  const { namespace, schema } = settings;
  if (
    typeof namespace !== "string" ||
    namespace === "" ||
    namespace.includes("\0") ||
    !namespace.isWellFormed()
  ) {
    throw invalidArgument("namespace", "must be a text of at least one character");
  }
  if (Buffer.byteLength(namespace) > MAX_NAME_BYTES) {
    throw invalidArgument("namespace", `must be at most ${MAX_NAME_BYTES} bytes`);
  }
  checkSchema(schema);
  return settings;
}

/** @throws `INVALID_ARGUMENT` for a name that would need quotes */
export function checkSchema(schema: unknown): void {
  if (typeof schema === "string" && /^[a-z_][a-z0-9_]{0,39}$/.test(schema)) return;
  throw invalidArgument(
    "schema",
    "must be a name of lower-case letters, digits and _, at most 40, as in lease_staging",
  );
}
