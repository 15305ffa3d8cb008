import { memoryBackend } from "@lease/core";
import { describe, test } from "vitest";
import { modelTest, sharedStore, simulatedClock } from "../src/index.js";

describe("memory, in simulated time", () => {
  modelTest({
    test,
    factory: async () => {
      const clock = simulatedClock();
      return sharedStore(memoryBackend({ clock }), clock);
    },
  });
});

describe("memory, in real time", () => {
  modelTest({ test, factory: async () => sharedStore(memoryBackend()), runs: 10, maxActions: 30 });
});
