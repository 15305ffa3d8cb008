/**
 * `Lock` of the etcd3 library, which grants an etcd lease for every acquire. It knows no line: who finds it taken asks
 * again, here with the pause that redlock has.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { EtcdLockFailedError } from "etcd3";
import type { Contender } from "../frame/contender.js";
import { etcdClient } from "./etcd-client.js";

const TTL_S = 30;
const RETRY_MS = { least: 100, most: 300 } as const;

export const etcd3Lock: Contender = {
  name: "etcd3 Lock",
  kind: "peer",
  backends: ["etcd"],
  packages: ["etcd3"],
  async open({ address, namespace }) {
    const client = etcdClient(address);
    const take = (name: string) => client.lock(`lock/${namespace}/${name}`).ttl(TTL_S).acquire();
    return {
      take: ([name = ""]) => take(name),
      async takeInTurn(name) {
        for (;;) {
          try {
            return await take(name);
          } catch (error) {
            if (!(error instanceof EtcdLockFailedError)) throw error;
            await sleep(RETRY_MS.least + Math.random() * (RETRY_MS.most - RETRY_MS.least));
          }
        }
      },
      close: () => client.close(),
    };
  },
};
