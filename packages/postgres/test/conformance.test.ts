/** The contract on one server: several clients of one process, and two processes at once. */
import { randomUUID } from "node:crypto";
import { conformance, modelTest } from "@lease/testing";
import { describe, test } from "vitest";
import { type PostgresBackendOptions, postgresBackend } from "../src/index.js";
import { useServer } from "./helpers.js";
import { twoProcesses } from "./processes.js";

const server = useServer();
/** Each case has a namespace of its own, and most of their time they wait. */
const concurrently = (name: string, run: () => Promise<void>) => test.concurrent(name, run);

const factory =
  (options: PostgresBackendOptions = {}) =>
  async () => {
    const namespace = randomUUID();
    return {
      open: async () => postgresBackend({ url: server().url, namespace, allowDataLoss: true, ...options }),
      close: async () => {},
    };
  };

describe("one process", () => {
  conformance({
    test: concurrently,
    factory: factory(),
    limits: { expirySlackMs: 1, renewals: "recorded", ttlStepMs: 1, mayEndEarly: false },
  });
  modelTest({ test: concurrently, factory: factory(), runs: 12 });
});

describe("two processes", () => {
  const processes = twoProcesses(() => ({ url: server().url }));
  conformance({ test: concurrently, factory: processes });
  modelTest({ test: concurrently, factory: processes, runs: 8 });
});

describe("without a record of renewals", () => {
  modelTest({ test: concurrently, factory: factory({ recordRenewals: false }), runs: 4 });
});
