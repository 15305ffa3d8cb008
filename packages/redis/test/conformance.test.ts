/** The contract on one server: several clients of one process, and two processes at once. */
import { randomUUID } from "node:crypto";
import { conformance, modelTest } from "@lease/testing";
import { describe, test } from "vitest";
import { redisBackend } from "../src/index.js";
import { useServer } from "./helpers.js";
import { twoProcesses } from "./processes.js";

const server = useServer();
/** Each case has a namespace of its own, and most of their time they wait. */
const concurrently = (name: string, run: () => Promise<void>) => test.concurrent(name, run);

const factory = async () => {
  const namespace = randomUUID();
  return {
    open: async () => redisBackend({ url: server().url, namespace }),
    close: async () => {},
  };
};

describe("one process", () => {
  conformance({
    test: concurrently,
    factory,
    limits: { expirySlackMs: 1, renewals: "recorded", ttlStepMs: 1, mayEndEarly: false },
  });
  modelTest({ test: concurrently, factory, runs: 12 });
});

describe("two processes", () => {
  const processes = twoProcesses(() => ({ url: server().url }));
  conformance({ test: concurrently, factory: processes });
  modelTest({ test: concurrently, factory: processes, runs: 8 });
});

describe("without a record of renewals", () => {
  modelTest({
    test: concurrently,
    factory: async () => {
      const store = await factory();
      const namespace = randomUUID();
      return {
        ...store,
        open: async () => redisBackend({ url: server().url, namespace, recordRenewals: false }),
      };
    },
    runs: 4,
  });
});
