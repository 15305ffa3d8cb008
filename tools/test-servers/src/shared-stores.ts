/** The stores that several processes can share, as URLs for `openBackend`: a new backend is one line here. */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEtcd } from "./etcd.ts";
import { startPostgres } from "./postgres.ts";
import { startRedis } from "./redis.ts";

export interface SharedStore {
  readonly name: string;
  /** An empty namespace of its own, at each call. */
  url(): Promise<string>;
}

/**
 * One folder and one server of each kind for a whole test file, for whoever needs them first.
 *
 * @param afterAll - the test runner's: ends what was started
 */
export function sharedStores(afterAll: (end: () => Promise<void>) => void): readonly SharedStore[] {
  const folder = once(async () => {
    const path = mkdtempSync(join(tmpdir(), "lease-stores-"));
    return { path, stop: async () => rmSync(path, { recursive: true, force: true }) };
  });
  const redis = once(startRedis);
  const postgres = once(() => startPostgres({ settings: { fsync: "on" } }));
  const etcd = once(startEtcd);

  function once<T extends { stop(): Promise<void> }>(start: () => Promise<T>): () => Promise<T> {
    let started: Promise<T> | undefined;
    afterAll(async () => (await started)?.stop());
    return () => {
      started ??= start();
      return started;
    };
  }

  return [
    { name: "sqlite", url: async () => `sqlite:${(await folder()).path}/${randomUUID()}.db` },
    { name: "redis", url: async () => `${(await redis()).url}/0?namespace=${randomUUID()}` },
    { name: "postgres", url: async () => `${(await postgres()).url}?namespace=${randomUUID()}` },
    { name: "etcd", url: async () => `etcd://${(await etcd()).endpoints[0]}/${randomUUID()}` },
  ];
}
