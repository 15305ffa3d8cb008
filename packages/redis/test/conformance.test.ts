import { randomUUID } from "node:crypto";
import { type RedisServer, startRedis } from "@lease/test-servers";
import { conformance, modelTest } from "@lease/testing";
import { afterAll, beforeAll, describe, test } from "vitest";
import { redisBackend } from "../src/index.js";

describe("one server", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  const factory = async () => {
    const namespace = randomUUID();
    return {
      open: async () => redisBackend({ url: server.url, namespace }),
      close: async () => {},
    };
  };

  conformance({ test, factory, limits: { expirySlackMs: 0, recordsRenewals: true, ttlStepMs: 1 } });
  modelTest({ test, factory, runs: 10 });
});
