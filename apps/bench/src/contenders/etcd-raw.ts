/**
 * The least that a lock in etcd could do: one transaction that creates a key under an etcd lease that all share, and one
 * that deletes it again. Who waits watches the key, and tries again when it is deleted.
 */
import { EventEmitter } from "node:events";
import type { Etcd3, Watcher } from "etcd3";
import type { Contender } from "../frame/contender.js";
import { etcdClient } from "./etcd-client.js";

const DEADLINE_MS = 5_000;
const SHARED_TTL_S = 60;

export const etcdRaw: Contender = {
  name: "raw etcd",
  kind: "raw",
  backends: ["etcd"],
  packages: ["etcd3"],
  takesMany: true,
  renews: true,
  async open({ address, namespace }) {
    const client = etcdClient(address);
    const shared = client.lease(SHARED_TTL_S);
    const lease = await shared.grant();
    const deletions = new Deletions(client);
    const keyOf = (name: string) => Buffer.from(`raw/${namespace}/${name}`);
    const options = () => ({ deadline: Date.now() + DEADLINE_MS });

    const take = async (names: readonly string[]) => {
      const keys = names.map(keyOf);
      const { succeeded, header } = await client.kv.txn(
        {
          compare: keys.map((key) => ({ key, target: "Create", result: "Equal", create_revision: 0 })),
          success: keys.map((key) => ({ request_put: { key, value: Buffer.from("holder"), lease } })),
        },
        options(),
      );
      return succeeded ? header.revision : null;
    };
    const holding = (names: readonly string[], revision: string) => {
      const keys = names.map(keyOf);
      return {
        /** As a holder must: the etcd lease lives on, and the key is there yet. */
        async renew() {
          await shared.keepaliveOnce();
          await client.kv.range({ key: keys[0] as Buffer }, options());
        },
        release: () =>
          client.kv.txn(
            {
              compare: keys.map((key) => ({
                key,
                target: "Create",
                result: "Equal",
                create_revision: revision,
              })),
              success: keys.map((key) => ({ request_delete_range: { key } })),
            },
            options(),
          ),
      };
    };
    return {
      async take(names) {
        const revision = await take(names);
        if (revision === null) throw new Error(`${names} should be free`);
        return holding(names, revision);
      },
      async takeInTurn(name) {
        await deletions.watch(keyOf(name));
        for (;;) {
          // Heard from before it asks: the event may come before the answer.
          const deleted = deletions.next();
          const revision = await take([name]);
          if (revision !== null) return holding([name], revision);
          await deleted;
        }
      },
      async close() {
        await deletions.close();
        await shared.revoke();
        client.close();
      },
    };
  },
};

/** That a key was deleted; one watch for all who wait. */
class Deletions {
  readonly #client: Etcd3;
  readonly #heard = new EventEmitter();
  #watcher: Promise<Watcher> | undefined;

  constructor(client: Etcd3) {
    this.#client = client;
    // Everybody in line listens.
    this.#heard.setMaxListeners(0);
  }

  async watch(key: Buffer): Promise<void> {
    this.#watcher ??= (async () => {
      const watcher = await this.#client.watch().key(key).only("delete").create();
      watcher.on("delete", () => this.#heard.emit("deleted"));
      return watcher;
    })();
    await this.#watcher;
  }

  next(): Promise<void> {
    return new Promise((resolve) => this.#heard.once("deleted", resolve));
  }

  async close(): Promise<void> {
    await (await this.#watcher)?.cancel();
  }
}
