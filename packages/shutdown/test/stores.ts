/** The stores that processes can share: one line each. */
import { randomUUID } from "node:crypto";
import { startEtcd, startRedis } from "@lease/test-servers";
import { afterAll } from "vitest";
import { temporaryFolder } from "./support.js";

/** Names to functions that give the URL of an empty namespace. */
export const STORES: readonly (readonly [name: string, url: () => Promise<string>])[] = [
  ["sqlite", async () => `sqlite:${temporaryFolder()}/leases.db`],
  ["redis", async () => `${(await redisServer()).url}/0?namespace=${randomUUID()}`],
  ["etcd", async () => `etcd://${(await etcdCluster()).endpoints[0]}/${randomUUID()}`],
];

/** One server a test file, for whoever needs it first. */
const redisServer = once(startRedis);
const etcdCluster = once(startEtcd);

function once<T extends { stop(): Promise<void> }>(start: () => Promise<T>): () => Promise<T> {
  let started: Promise<T> | undefined;
  afterAll(async () => (await started)?.stop());
  return () => {
    started ??= start();
    return started;
  };
}
