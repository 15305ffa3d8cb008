/** The servers and folders of a run: each started when the first case needs it, and gone with the run. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEtcd, startPostgres, startRedis } from "@lease/test-servers";
import type { BackendName, Place } from "./contender.js";
import { type Pinned, pinServer } from "./pin.js";

/** What holds the leases of a case. */
export interface Store {
  /** Of the server; null where there is none. */
  readonly pid: number | null;
  /** What the server calls itself, and in which version. */
  readonly server: string | null;
  /** How many commands of these names it was sent (Redis), or how much it has written by consensus (etcd). */
  commands(names: readonly string[]): Promise<number | null>;
  /** Bytes of memory that its data takes (Redis). */
  memory(): Promise<number | null>;
  /** A place where nothing is yet. */
  fresh(): Promise<Place>;
  stop(): Promise<void>;
}

export class Stores {
  readonly #started = new Map<BackendName, Promise<Store>>();
  readonly #pinned: Pinned | null;
  #places = 0;

  /** @param pinned - on how many cores client and server run; null: the kernel decides */
  constructor(pinned: Pinned | null = null) {
    this.#pinned = pinned;
  }

  get(backend: BackendName): Promise<Store> {
    let store = this.#started.get(backend);
    if (store === undefined) {
      store = this.#start(backend).then(async (started) => {
        if (this.#pinned !== null && started.pid !== null) await pinServer(started.pid, this.#pinned);
        return started;
      });
      this.#started.set(backend, store);
    }
    return store;
  }

  /** What the servers of this run call themselves. */
  async servers(): Promise<string[]> {
    const stores = await Promise.all(this.#started.values());
    return stores.flatMap(({ server }) => server ?? []);
  }

  async close(): Promise<void> {
    const stores = await Promise.allSettled(this.#started.values());
    for (const store of stores) if (store.status === "fulfilled") await store.value.stop();
  }

  #start(backend: BackendName): Promise<Store> {
    const namespace = () => {
      this.#places += 1;
      return `bench-${this.#places}`;
    };
    switch (backend) {
      case "memory":
        return Promise.resolve(memoryStore());
      case "sqlite":
        return folderStore(namespace);
      case "redis":
        return redisStore(namespace);
      case "postgres":
        return postgresStore(namespace);
      case "etcd":
        return etcdStore(namespace);
    }
  }
}

const NOTHING = { pid: null, server: null, commands: async () => null, memory: async () => null };

function memoryStore(): Store {
  const place: Place = { backend: "memory", address: "", namespace: "" };
  return { ...NOTHING, fresh: async () => place, stop: async () => {} };
}

async function folderStore(namespace: () => string): Promise<Store> {
  const root = await mkdtemp(join(tmpdir(), "lease-bench-"));
  return {
    ...NOTHING,
    fresh: async () => ({
      backend: "sqlite",
      address: await mkdtemp(join(root, "case-")),
      namespace: namespace(),
    }),
    stop: () => rm(root, { recursive: true, force: true }),
  };
}

async function redisStore(namespace: () => string): Promise<Store> {
  const server = await startRedis();
  const info = async (section: string) => String(await server.command("INFO", section));
  return {
    pid: server.pid,
    server: `Redis ${/redis_version:(\S+)/.exec(await info("server"))?.[1]}`,
    async commands(names) {
      const calls = (await info("commandstats")).matchAll(/^cmdstat_(\w+):calls=(\d+)/gm);
      return [...calls].reduce(
        (sum, [, name = "", count]) => sum + (names.includes(name) ? Number(count) : 0),
        0,
      );
    },
    memory: async () => Number(/used_memory:(\d+)/.exec(await info("memory"))?.[1]),
    async fresh() {
      await server.command("FLUSHALL", "SYNC");
      return { backend: "redis", address: server.url, namespace: namespace() };
    },
    stop: () => server.stop(),
  };
}

async function postgresStore(namespace: () => string): Promise<Store> {
  const server = await startPostgres();
  return {
    ...NOTHING,
    pid: server.pid,
    server: `Postgres ${server.version}`,
    fresh: async () => ({ backend: "postgres", address: server.url, namespace: namespace() }),
    stop: () => server.stop(),
  };
}

async function etcdStore(namespace: () => string): Promise<Store> {
  const cluster = await startEtcd();
  const [member] = cluster.members;
  const [endpoint = ""] = cluster.endpoints;
  const status = async () => {
    const url = `http://${endpoint}/v3/maintenance/status`;
    const response = await fetch(url, { method: "POST", body: "{}", signal: AbortSignal.timeout(5000) });
    return (await response.json()) as { version: string; raftAppliedIndex: string };
  };
  return {
    ...NOTHING,
    pid: member?.pid ?? null,
    server: `etcd ${(await status()).version}`,
    commands: async () => Number((await status()).raftAppliedIndex),
    fresh: async () => ({ backend: "etcd", address: endpoint, namespace: namespace() }),
    stop: () => cluster.stop(),
  };
}
