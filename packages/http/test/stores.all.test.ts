/** The contract through a real server over each store, through a decorator, and through a second server. */
import { memoryBackend } from "@lease/core";
import { withMetrics } from "@lease/metrics";
import { sharedStores } from "@lease/test-servers";
import { conformance, modelTest } from "@lease/testing";
import { Registry } from "prom-client";
import { afterAll, describe, test } from "vitest";
import { startServer } from "../../../apps/server/test/server.js";
// By path: as a dependency it would close a circle of packages.
import { openBackend } from "../../connect/src/index.js";
import { httpBackend } from "../src/index.js";
import { behindServer } from "./behind-server.js";

const concurrently = (name: string, run: () => Promise<void>) => test.concurrent(name, run);
const common = { test: concurrently, caseTimeoutMs: 120_000 };

for (const { name, url } of sharedStores(afterAll)) {
  describe(`${name} behind a server`, () => {
    const factory = behindServer(async () => openBackend(await url()));
    conformance({ ...common, factory });
    modelTest({ test: concurrently, factory, runs: 6 });
  });
}

describe("memory behind a server, with metrics", () => {
  const factory = behindServer(
    async () => memoryBackend(),
    (backend) => withMetrics(backend, { registry: new Registry() }),
  );
  conformance({ ...common, factory });
});

describe("memory behind two servers", () => {
  conformance({
    ...common,
    factory: async () => {
      const upstream = await startServer({ backend: memoryBackend() });
      const local = await startServer({
        backend: await httpBackend({ url: upstream.url, callTimeoutMs: 60_000 }),
      });
      return {
        open: () => httpBackend({ url: local.url, callTimeoutMs: 60_000 }),
        close: async () => {
          await local.close();
          await upstream.close();
        },
      };
    },
  });
});
