/** The whole suite on real servers: every other client lives in another process, and begins with another member. */
import { randomUUID } from "node:crypto";
import { type EtcdCluster, startEtcd } from "@lease/test-servers";
import { conformance, modelTest, type ProcessHost, processHost, type StoreFactory } from "@lease/testing";
import { afterAll, beforeAll, test, vi } from "vitest";
import { etcdBackend } from "../src/index.js";

const MODULE = new URL("./etcd.worker.ts", import.meta.url);

/** What every etcd of the tests lets us promise. */
const LIMITS = {
  minTtlMs: 1000,
  ttlStepMs: 1000,
  expirySlackMs: 2500,
  renewals: "uncounted" as const,
  history: "compacted",
  mayEndEarly: true,
} as const;

export function suiteOn(members: number): void {
  vi.setConfig({ maxConcurrency: 8 });
  let etcd: EtcdCluster;
  let host: ProcessHost;

  beforeAll(async () => {
    [etcd, host] = await Promise.all([
      startEtcd({ members }),
      processHost({ module: MODULE, execArgv: ["--unhandled-rejections=strict", "--no-warnings"] }),
    ]);
  });
  afterAll(async () => {
    await host.stop();
    await etcd.stop();
  });

  const factory: StoreFactory = async () => {
    const namespace = randomUUID();
    let clients = 0;
    return {
      async open() {
        clients += 1;
        const { endpoints } = etcd;
        const first = clients % endpoints.length;
        const hosts = [...endpoints.slice(first), ...endpoints.slice(0, first)];
        // On a machine that is busy with other things a step may take seconds.
        const options = { hosts, namespace, timeoutMs: 20_000 };
        return clients % 2 === 1 ? etcdBackend(options) : host.open(options);
      },
      close: async () => {},
    };
  };

  // Most of the time passes in waiting for etcd to end leases, so cases run beside each other, the longest first.
  for (let batch = 1; batch <= 5; batch += 1) {
    const numbered = (name: string, run: () => Promise<void>) => test.concurrent(`${name} (${batch})`, run);
    modelTest({ test: numbered, factory, runs: 1, maxActions: 20 });
  }
  // Eight cases at a time on a cluster: far beyond what they take together on a machine that is four times as busy.
  conformance({ test: test.concurrent, factory, limits: LIMITS, caseTimeoutMs: 150_000 });
}
