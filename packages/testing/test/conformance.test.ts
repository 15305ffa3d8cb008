import { memoryBackend } from "@lease/core";
import { describe, test } from "vitest";
import { conformance, sharedStore, simulatedClock } from "../src/index.js";

describe("memory, in simulated time", () => {
  conformance({
    test,
    factory: async () => {
      const clock = simulatedClock();
      return sharedStore(memoryBackend({ clock }), clock);
    },
    limits: { expirySlackMs: 1, renewals: "recorded", ttlStepMs: 1 },
  });
});

describe("memory, in real time", () => {
  conformance({ test, factory: async () => sharedStore(memoryBackend()) });
});
