/** What `etcdBackend` takes, and the clients made of it. */
import { checkEndMemory, invalidArgument } from "@lease/core/backend";
import { noop } from "cockatiel";
import { Etcd3 } from "etcd3";
import { parseUrl } from "./url.js";

/** How the leases of a namespace are reached: by exactly one of `url`, `hosts` and `client`. */
export interface EtcdBackendOptions {
  /**
   * The cluster in one line: `etcd://user:password@host-1:2379,host-2:2379/namespace`, `etcds://…` for TLS. Options
   * beside it go before what it says.
   */
  readonly url?: string | undefined;
  /** Members of the cluster: `"127.0.0.1:2379"`, or `"https://etcd-1:2379"` for TLS. */
  readonly hosts?: string | readonly string[] | undefined;
  /**
   * A client of the `etcd3` package that the caller made and closes. Its own fault handling applies: switch its
   * retries off (`noop`), or a write may be sent twice.
   */
  readonly client?: Etcd3 | undefined;
  /** Keeps applications in one etcd apart. 1 to 128 bytes, no control characters. Default `"lease"`. */
  readonly namespace?: string | undefined;
  /** For TLS: certificates in PEM form. With `https` hosts and none of this, the system's authorities are trusted. */
  readonly credentials?:
    | { readonly rootCertificate: Buffer; readonly privateKey?: Buffer; readonly certChain?: Buffer }
    | undefined;
  /** User and password, where etcd asks for them. */
  readonly auth?: { readonly username: string; readonly password: string } | undefined;
  /** When a call to etcd gives up. All calls of one operation together end within twice this. Default 5000 ms. */
  readonly timeoutMs?: number | undefined;
  /** How long an id that ended by force or by time is remembered. Default 60 000 ms, at least 1000. */
  readonly endMemoryMs?: number | undefined;
}

export const DEFAULTS = Object.freeze({
  namespace: "lease",
  timeoutMs: 5000,
  endMemoryMs: 60_000,
});

const MAX_NAMESPACE_BYTES = 128;

/** etcd drops a client that pings more often than every five seconds. */
const GRPC_OPTIONS = Object.freeze({
  "grpc.keepalive_time_ms": 6000,
  "grpc.keepalive_timeout_ms": 2000,
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.min_reconnect_backoff_ms": 50,
  "grpc.max_reconnect_backoff_ms": 1000,
  "grpc.max_receive_message_length": -1,
});

/** One client a member, without retries of its own: {@link Connection} decides whom to ask, and what again. */
export function makeClients(options: EtcdBackendOptions): Etcd3[] {
  if (options.client !== undefined) return [options.client];
  const { hosts = [], credentials, auth } = options;
  return (typeof hosts === "string" ? [hosts] : hosts).map(
    (host) =>
      new Etcd3({
        hosts: host,
        ...(credentials === undefined ? {} : { credentials }),
        ...(auth === undefined
          ? {}
          : {
              auth: {
                ...auth,
                callOptions: () => ({ deadline: Date.now() + (options.timeoutMs ?? DEFAULTS.timeoutMs) }),
              },
            }),
        faultHandling: { host: () => noop, global: noop },
        grpcOptions: GRPC_OPTIONS,
      }),
  );
}

/** The options with what the URL says, checked. */
export function settledOptions(options: EtcdBackendOptions): EtcdBackendOptions {
  const { url, hosts, client } = options;
  const ways = [url, hosts, client].filter((way) => way !== undefined).length;
  if (ways !== 1) throw invalidArgument("hosts", "or url or client must be given, and only one of them");
  if (url !== undefined && typeof url !== "string") throw invalidArgument("url", "must be a string");
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const settled: EtcdBackendOptions = url === undefined ? given : { ...parseUrl(url), ...given };
  check(settled);
  return settled;
}

function check(options: EtcdBackendOptions): void {
  const { hosts, namespace = DEFAULTS.namespace, timeoutMs = 1, endMemoryMs = 1000 } = options;
  if (hosts !== undefined) {
    const list: readonly unknown[] = typeof hosts === "string" ? [hosts] : hosts;
    if (!Array.isArray(list) || list.length === 0)
      throw invalidArgument("hosts", "must be a list of at least one host:port");
    for (const host of list) {
      if (typeof host !== "string" || !/^(?:https?:\/\/)?[^\s/,@]+:\d+$/.test(host)) {
        throw invalidArgument("hosts", 'must be like "127.0.0.1:2379" or "https://etcd-1:2379"');
      }
    }
    const secure = list.filter((host) => (host as string).startsWith("https://")).length;
    if (secure > 0 && secure < list.length) throw invalidArgument("hosts", "must all speak TLS, or none");
  }
  const isName =
    typeof namespace === "string" &&
    namespace !== "" &&
    namespace.isWellFormed() &&
    !/\p{Cc}/u.test(namespace);
  if (!isName || Buffer.byteLength(namespace) > MAX_NAMESPACE_BYTES) {
    throw invalidArgument(
      "namespace",
      `must be 1 to ${MAX_NAMESPACE_BYTES} bytes without control characters`,
    );
  }
  if (!(timeoutMs > 0)) throw invalidArgument("timeoutMs", "must be a number above 0");
  checkEndMemory(endMemoryMs, 1000);
}
