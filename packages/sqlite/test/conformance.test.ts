import { conformance, modelTest, type StoreFactory, simulatedClock } from "@lease/testing";
import { describe, test } from "vitest";
import { sqliteBackend } from "../src/index.js";
import { newFolder } from "./folder.js";

/** Every client is a connection of its own, as in another process. */
const inSimulatedTime: StoreFactory = async () => {
  const folder = newFolder();
  const clock = simulatedClock();
  return {
    clock,
    open: async () => sqliteBackend({ path: folder.file(), clock }),
    close: async () => folder.remove(),
  };
};

const limits = { expirySlackMs: 1, ttlStepMs: 1, orphanSlackTtls: 1, renewals: "recorded" } as const;

describe("in simulated time", () => {
  conformance({ test, factory: inSimulatedTime, limits });
  modelTest({ test, factory: inSimulatedTime, runs: 60 });
});

describe("without a record of renewals", () => {
  const factory: StoreFactory = async () => {
    const folder = newFolder();
    const clock = simulatedClock();
    return {
      clock,
      open: async () => sqliteBackend({ path: folder.file(), clock, recordRenewals: false }),
      close: async () => folder.remove(),
    };
  };
  conformance({ test, factory, limits: { renewals: "counted" } });
});
