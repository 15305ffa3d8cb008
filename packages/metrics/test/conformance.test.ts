import { memoryBackend } from "@lease/core";
import { conformance, modelTest, sharedStore, simulatedClock } from "@lease/testing";
import { Registry } from "prom-client";
import { describe, test } from "vitest";
import { withMetrics } from "../src/index.js";

describe("withMetrics(memory()) is a backend", () => {
  const factory = async () => {
    const clock = simulatedClock();
    return sharedStore(withMetrics(memoryBackend({ clock }), { registry: new Registry(), clock }), clock);
  };
  conformance({ test, factory, limits: { expirySlackMs: 1, renewals: "recorded", ttlStepMs: 1 } });
  modelTest({ test, factory, runs: 30 });
});
