import { type EtcdCluster, startEtcd } from "@lease/test-servers";
import { conformance, modelTest, type StoreFactory } from "@lease/testing";
import { afterAll, beforeAll, describe, test } from "vitest";
import { etcdBackend } from "../src/index.js";

const LIMITS = { ttlStepMs: 1000, recordsRenewals: false, history: "compacted" } as const;

describe.each([
  { name: "a single etcd", members: 1 },
  { name: "a cluster of three", members: 3 },
])("$name", { timeout: 60_000 }, ({ members }) => {
  let etcd: EtcdCluster;
  let namespaces = 0;

  beforeAll(async () => {
    etcd = await startEtcd({ members });
  });
  afterAll(() => etcd.stop());

  /** Every client is a backend of its own, as in another process, and begins with another member. */
  const factory: StoreFactory = async () => {
    namespaces += 1;
    const namespace = `case-${namespaces}`;
    let clients = 0;
    return {
      open: async () => {
        clients += 1;
        const { endpoints } = etcd;
        const first = clients % endpoints.length;
        return etcdBackend({ hosts: [...endpoints.slice(first), ...endpoints.slice(0, first)], namespace });
      },
      close: async () => {},
    };
  };

  // Most of the time passes in waiting for etcd to end leases, so cases run beside each other.
  conformance({ test: test.concurrent, factory, limits: LIMITS });
  for (let batch = 1; batch <= 6; batch += 1) {
    const numbered = (name: string, run: () => Promise<void>) => test.concurrent(`${name} (${batch})`, run);
    modelTest({ test: numbered, factory, runs: 2, maxActions: 25 });
  }
});
