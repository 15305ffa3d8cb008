/** What a process of its own opens: the built package, on one server, on a cluster or by a name that sentinels know. */
import { redisBackend } from "@lease/redis";
import { Cluster, Redis } from "ioredis";

export interface WorkerOptions {
  readonly namespace: string;
  readonly url?: string;
  /** Ports on the loopback interface. */
  readonly cluster?: readonly number[];
  readonly sentinel?: { readonly name: string; readonly ports: readonly number[] };
  readonly callTimeoutMs?: number;
}

export function open({ url, cluster, sentinel, ...options }: WorkerOptions) {
  if (url !== undefined) return redisBackend({ url, ...options });
  if (sentinel === undefined) {
    return redisBackend({ client: new Cluster(at(cluster ?? []), { lazyConnect: true }), ...options });
  }
  const { name, ports } = sentinel;
  return redisBackend({ client: new Redis({ sentinels: at(ports), name, lazyConnect: true }), ...options });
}

const at = (ports: readonly number[]) => ports.map((port) => ({ host: "127.0.0.1", port }));
