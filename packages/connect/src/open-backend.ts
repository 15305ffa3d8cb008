/** `openBackend(url)`: the only place that knows every backend. */
import type { LeaseBackend } from "@lease/core";
import { invalidUrl, parseAddress } from "./address.js";
import type { OpenBackendOptions } from "./options.js";
import { openAddress } from "./schemes.js";

/**
 * Opens the backend that a URL names, loading its package.
 *
 * | URL | backend | package |
 * | --- | --- | --- |
 * | `memory:` | a new store in this process's memory | `@lease/core` |
 * | `sqlite:leases.db`, `sqlite:///var/lib/leases.db` | a file, shared by the processes of one machine | `@lease/sqlite` |
 * | `redis://host:6379/0`, `rediss://…` with TLS | a Redis server, shared by many machines | `@lease/redis` |
 * | `postgres://host:5432/database`, with `?ssl=on` for TLS | a Postgres database, shared by many machines | `@lease/postgres` |
 * | `http://localhost:5327`, `https://host` | a Lease server | `@lease/http` |
 * | `etcd://host-1:2379,host-2:2379/namespace`, `etcds://…` with TLS | an etcd cluster, which survives the loss of a machine | `@lease/etcd` |
 *
 * `?synchronous=FULL` makes every step of SQLite outlive a power cut; `NORMAL`, the default, only a crash.
 * `?namespace=staging` keeps leases of Redis and Postgres apart from those of other namespaces.
 * Whoever opens a backend closes it. The URL never appears in an error: it may carry a password.
 *
 * @throws `INVALID_ARGUMENT` for a URL that is not understood; `BACKEND_INCOMPATIBLE`, naming what to install, when
 * the backend's package is missing
 */
export async function openBackend(url: string, options: OpenBackendOptions = {}): Promise<LeaseBackend> {
  if (typeof url !== "string") throw invalidUrl("must be a string");
  return openAddress(parseAddress(url), options);
}
