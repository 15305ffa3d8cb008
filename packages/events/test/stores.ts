/** The stores that the router is held to: one line each. */
import { randomUUID } from "node:crypto";
import { openBackend } from "@lease/connect";
import type { LeaseBackend } from "@lease/core";
import { startEtcd, startRedis } from "@lease/test-servers";
import { afterAll, type TestContext, test } from "vitest";
import { temporaryFolder } from "./support.ts";

type Store = {
  readonly name: string;
  /** A namespace of its own. */
  readonly url: (context: TestContext) => Promise<string> | string;
};

/** Stores that several processes can share. */
const SHARED: readonly Store[] = [
  { name: "sqlite", url: (context) => `sqlite:${temporaryFolder(context)}/leases.db` },
  { name: "redis", url: async () => `${(await redisServer()).url}/0?namespace=${randomUUID()}` },
  { name: "etcd", url: async () => `etcd://${(await etcdCluster()).endpoints[0]}/${randomUUID()}` },
];

const ALL: readonly Store[] = [{ name: "memory", url: () => "memory:" }, ...SHARED];

interface OnStore {
  readonly url: string;
  readonly backend: LeaseBackend;
}

type Run = (on: OnStore, context: TestContext) => Promise<void>;

/** A test that runs on every store, on all at once, with a backend that is closed after it. */
export const testOnStores = (title: string, run: Run) => testOn(ALL, title, run);

/** The same for what takes several processes. */
export const testOnSharedStores = (title: string, run: Run) => testOn(SHARED, title, run);

function testOn(stores: readonly Store[], title: string, run: Run): void {
  test.concurrent.for(stores)(`${title} ($name)`, async (store, context) => {
    const url = await store.url(context);
    const backend = await openBackend(url);
    context.onTestFinished(() => backend.close());
    await run({ url, backend }, context);
  });
}

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
