/** The suite under node:test, as a backend's author would write it; a child process of `runners.test.ts` runs it. */
import { test } from "node:test";
import { memoryBackend } from "@lease/core";
import { conformance, modelTest, sharedStore, simulatedClock } from "@lease/testing";

const isBroken = process.env.LEASE_BROKEN === "1";

const factory = async () => {
  const clock = simulatedClock();
  const backend = memoryBackend({ clock });
  const renew = isBroken ? async () => [] : backend.renew;
  return sharedStore({ ...backend, renew }, clock);
};

conformance({ test, factory });
modelTest({ test, factory });
