/** The ioredis clients that a backend opens: all its own, all with the options that make a call happen once or not. */
import { invalidArgument } from "@lease/core/backend";
import { Cluster, Redis, type RedisOptions } from "ioredis";

export type Client = Redis | Cluster;

/** Makes clients of one Redis. Nothing connects before it is used, and the part that asked for one closes it. */
export interface ClientFactory {
  /** Its nodes have a clock each, and know only who listens to themselves. */
  readonly isCluster: boolean;
  /** For scripts. */
  commands(): Client;
  /** For one subscription; `commands` tells which nodes there are. It does not connect again by itself. */
  subscriber(commands: Client): Redis;
  /** For reads that block until there is something to read. */
  blocking(): Client;
}

/** The masters of a cluster, or the one server. */
export function mastersOf(client: Client): readonly Pick<Cluster, "info">[] {
  return client.isCluster ? (client as Cluster).nodes("master") : [client];
}

/** Redis may keep a read of the history waiting this long. */
export const BLOCK_MS = 5_000;

const DISCOVERY_MOST_MS = 1_000;
const LOADING_RETRY_MS = 200;
const TRY_AGAIN_MS = 100;
const REDIRECTIONS_LEAST = 16;

const RECONNECT_FIRST_MS = 50;
const RECONNECT_MOST_MS = 1_000;

/** Pause before connecting again: doubled each time, spread so that many clients do not come at once. */
export function reconnectDelayMs(attempt: number): number {
  const delay = Math.min(RECONNECT_FIRST_MS * 2 ** Math.min(attempt - 1, 10), RECONNECT_MOST_MS);
  return delay * (0.5 + Math.random() / 2);
}

/** One of several that are asked where to go: there must be time to ask the next. */
function discoveryMs(timeoutMs: number): number {
  return Math.min(Math.ceil(timeoutMs / 4), DISCOVERY_MOST_MS);
}

/**
 * What every connection of the backend must have, whatever a caller's client has: by default ioredis sends a command
 * again when its answer was lost, waits for ever on a server that hangs, and keeps calls in a queue that outlives them.
 */
function ownOptions(timeoutMs: number) {
  return {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    commandTimeout: undefined,
    // Earlier than a call that waits for it gives up, so that it can say why.
    connectTimeout: Math.ceil(timeoutMs * 0.8),
    // By default a sentinel that hangs is waited for without end: so there is time to ask others.
    sentinelCommandTimeout: discoveryMs(timeoutMs),
    // It is asked whether it has loaded its data until then; by default seconds after it has.
    maxLoadingRetryTime: LOADING_RETRY_MS,
    // Destroys a connection that owes an answer for this long, also while it is being set up.
    socketTimeout: timeoutMs,
    // A connection that is given up goes at once, also when the server does not answer its end.
    disconnectTimeout: 100,
    retryStrategy: reconnectDelayMs,
    // A master that became a replica: somewhere there is a new master. 1: connect again, do not send again.
    reconnectOnError: (error: Error) => (error.message.includes("READONLY") ? 1 : false),
    enableReadyCheck: true,
    enableAutoPipelining: false,
    keyPrefix: "",
    monitor: false,
    readOnly: false,
    replyMapping: "legacy",
    stringNumbers: false,
  } as const satisfies RedisOptions;
}

/** Clients for a `redis://` or `rediss://` URL. */
export function clientsOfUrl(url: string, timeoutMs: number): ClientFactory {
  const options = parseUrl(url);
  const own = ownOptions(timeoutMs);
  return {
    isCluster: false,
    // Its calls are bounded by what waits for them; a timer for each command would cost a caller alone as much as its events.
    commands: () => new Redis({ ...options, ...own, socketTimeout: undefined }),
    subscriber: () => new Redis({ ...options, ...own, retryStrategy: () => null }),
    blocking: () => new Redis({ ...options, ...own, socketTimeout: timeoutMs + BLOCK_MS }),
  };
}

/** Clients like the one that a caller made: it is a pattern, never used, changed or closed itself. */
export function clientsLike(pattern: Client, timeoutMs: number): ClientFactory {
  const own = ownOptions(timeoutMs);
  if (pattern instanceof Cluster || pattern.isCluster) {
    const cluster = pattern as Cluster;
    const duplicate = (socketTimeout: number) =>
      cluster.duplicate([], {
        lazyConnect: true,
        slotsRefreshTimeout: discoveryMs(timeoutMs),
        // It asks any one node, which may hang, whether all slots are served: the nodes of ours will say.
        enableReadyCheck: false,
        // Commands of the first moments wait for their node; a call's own bound ends them.
        enableOfflineQueue: true,
        enableAutoPipelining: false,
        keyPrefix: "",
        scaleReads: "master",
        // Otherwise a command whose connection closed is sent again, whether it was carried out or not.
        retryDelayOnFailover: 0,
        // Surely not carried out: the caller gets the error at once, instead of a copy that is sent when no call waits for it.
        retryDelayOnClusterDown: 0,
        // While a slot moves, about as long as a call waits; an attempt takes up to three redirections.
        retryDelayOnTryAgain: TRY_AGAIN_MS,
        maxRedirections: Math.max(REDIRECTIONS_LEAST, Math.ceil(timeoutMs / TRY_AGAIN_MS)),
        redisOptions: { ...own, enableOfflineQueue: true, socketTimeout },
      });
    return {
      isCluster: true,
      commands: () => duplicate(timeoutMs),
      // A message published anywhere in a cluster arrives everywhere.
      subscriber: (commands) => {
        const nodes = (commands as Cluster).nodes("master");
        const node = nodes[Math.floor(Math.random() * nodes.length)];
        if (node === undefined) throw new Error("The cluster has no masters at present.");
        return node.duplicate({ ...own, retryStrategy: () => null });
      },
      blocking: () => duplicate(timeoutMs + BLOCK_MS),
    };
  }
  const single = pattern as Redis;
  // The database that the pattern is in now: what it selected after it was made is not in its options.
  const here = { ...own, db: single.condition?.select ?? single.options.db ?? 0 };
  return {
    isCluster: false,
    commands: () => single.duplicate(here),
    subscriber: () => single.duplicate({ ...here, retryStrategy: () => null }),
    blocking: () => single.duplicate({ ...here, socketTimeout: timeoutMs + BLOCK_MS }),
  };
}

/** By hand: ioredis would take any word of the query for an option. The URL stays out of errors: it has a password. */
function parseUrl(text: unknown): RedisOptions {
  if (typeof text !== "string")
    throw invalidArgument("url", "must be a URL such as redis://localhost:6379/0");
  // An unencoded one of these ends the host before the `@`.
  const hint = /^[a-z]+:\/\/[^@]*[/?#].*@/i.test(text)
    ? " (percent-encode special characters of user and password: / is %2F, ? is %3F, # is %23, @ is %40)"
    : "";
  if (!URL.canParse(text))
    throw invalidArgument("url", `must be a URL such as redis://localhost:6379/0${hint}`);
  const url = new URL(text);
  if (url.protocol !== "redis:" && url.protocol !== "rediss:") {
    throw invalidArgument("url", "must begin with redis:// or rediss://");
  }
  if (url.search !== "" || url.hash !== "")
    throw invalidArgument("url", `must have no query: options are passed beside it${hint}`);
  if (url.hostname === "") throw invalidArgument("url", "must name a host, as in redis://localhost:6379/0");
  const database = /^\/?(\d{0,5})$/.exec(url.pathname)?.[1];
  if (database === undefined)
    throw invalidArgument("url", `must name the database by its number, as in redis://localhost/0${hint}`);
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? 6379 : Number(url.port),
    db: Number(database),
    ...(url.username === "" ? {} : { username: decode(url.username) }),
    ...(url.password === "" ? {} : { password: decode(url.password) }),
    ...(url.protocol === "rediss:" ? { tls: {} } : {}),
  };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalidArgument(
      "url",
      "has a % that is not followed by two hexadecimal digits: write %25 for a percent sign",
    );
  }
}
