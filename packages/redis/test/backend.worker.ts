/** What a process of its own opens: the built package, on one server or on a cluster. */
import { redisBackend } from "@lease/redis";
import { Cluster } from "ioredis";

export interface WorkerOptions {
  readonly namespace: string;
  readonly url?: string;
  /** Ports on the loopback interface. */
  readonly cluster?: readonly number[];
}

export function open({ namespace, url, cluster }: WorkerOptions) {
  if (url !== undefined) return redisBackend({ url, namespace });
  const nodes = (cluster ?? []).map((port) => ({ host: "127.0.0.1", port }));
  return redisBackend({ client: new Cluster(nodes, { lazyConnect: true }), namespace });
}
