/** Every backend there is, by the scheme of its URL. Adding one is one line here, and an optional peer. */
import { type LeaseBackend, LeaseError, memoryBackend } from "@lease/core";
import { type Address, filePath, invalidUrl, optionsOf } from "./address.js";
import type { OpenBackendOptions } from "./options.js";

interface Scheme {
  /** What to install. */
  readonly package: string;
  readonly open: (address: Address, options: OpenBackendOptions) => Promise<LeaseBackend>;
}

const SCHEMES: ReadonlyMap<string, Scheme> = new Map<string, Scheme>([
  ["memory", { package: "@lease/core", open: openMemory }],
  ["sqlite", { package: "@lease/sqlite", open: openSqlite }],
  ["redis", { package: "@lease/redis", open: openRedis }],
  ["rediss", { package: "@lease/redis", open: openRedis }],
  ["postgres", { package: "@lease/postgres", open: openPostgres }],
  ["postgresql", { package: "@lease/postgres", open: openPostgres }],
  ["etcd", { package: "@lease/etcd", open: openEtcd }],
  ["etcds", { package: "@lease/etcd", open: openEtcd }],
  ["http", { package: "@lease/http", open: openHttp }],
  ["https", { package: "@lease/http", open: openHttp }],
]);

/**
 * Opens the backend of an address.
 *
 * @throws `INVALID_ARGUMENT` for a scheme that nobody knows; `BACKEND_INCOMPATIBLE` when its package is missing
 */
export async function openAddress(address: Address, options: OpenBackendOptions): Promise<LeaseBackend> {
  const scheme = SCHEMES.get(address.scheme);
  if (scheme === undefined) {
    // Not named: in a URL that lacks its scheme, what stands before the colon may be somebody's name.
    throw invalidUrl(`must begin with one of ${[...SCHEMES.keys()].map((name) => `${name}:`).join(", ")}`);
  }
  try {
    return await scheme.open(address, options);
  } catch (error) {
    if (isMissing(error, scheme.package)) throw notInstalled(address.scheme, scheme.package, error);
    throw error;
  }
}

async function openMemory(address: Address): Promise<LeaseBackend> {
  optionsOf(address, []);
  if (address.rest !== "") throw invalidUrl("of a backend in memory is just memory:");
  return memoryBackend();
}

async function openSqlite(address: Address, { durable = false }: OpenBackendOptions): Promise<LeaseBackend> {
  const path = filePath(address);
  const { synchronous = durable ? "FULL" : "NORMAL" } = optionsOf(address, ["synchronous"]);
  if (synchronous !== "FULL" && synchronous !== "NORMAL") {
    throw invalidUrl("has an option synchronous that is neither FULL nor NORMAL");
  }
  const { sqliteBackend } = await import("@lease/sqlite");
  return sqliteBackend({ path, synchronous });
}

async function openRedis(address: Address): Promise<LeaseBackend> {
  const options = optionsOf(address, ["namespace"]);
  const { redisBackend } = await import("@lease/redis");
  return redisBackend({ ...options, url: `${address.scheme}:${address.rest}` });
}

async function openPostgres(address: Address): Promise<LeaseBackend> {
  const { ssl = "off", ...options } = optionsOf(address, ["namespace", "schema", "listenUrl", "ssl"]);
  if (ssl !== "on" && ssl !== "off") throw invalidUrl("has an option ssl that is neither on nor off");
  const { postgresBackend } = await import("@lease/postgres");
  return postgresBackend({ ...options, ssl: ssl === "on", url: `${address.scheme}:${address.rest}` });
}

async function openEtcd(address: Address): Promise<LeaseBackend> {
  optionsOf(address, []);
  const { etcdBackend } = await import("@lease/etcd");
  return etcdBackend({ url: `${address.scheme}:${address.rest}` });
}

async function openHttp(address: Address, { token }: OpenBackendOptions): Promise<LeaseBackend> {
  optionsOf(address, []);
  const { httpBackend } = await import("@lease/http");
  return httpBackend({ url: `${address.scheme}:${address.rest}`, ...(token === undefined ? {} : { token }) });
}

function notInstalled(scheme: string, name: string, cause: unknown): LeaseError<"BACKEND_INCOMPATIBLE"> {
  const message = `A ${scheme}: URL needs the package ${name}, which is not installed. Next: npm install ${name}`;
  return new LeaseError("BACKEND_INCOMPATIBLE", message, undefined, { cause });
}

/** Whether `name` itself could not be found: a package that it needs in turn is another matter. */
function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  const notFound = code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND";
  return notFound && message.includes(`'${name}'`);
}
