/** The contract through a real server, over the store in memory. `stores.all.test.ts` has it over the others. */
import { memoryBackend } from "@lease/core";
import { conformance, modelTest } from "@lease/testing";
import { test } from "vitest";
import { behindServer } from "./behind-server.js";

const concurrently = (name: string, run: () => Promise<void>) => test.concurrent(name, run);
const factory = behindServer(async () => memoryBackend());
conformance({ test: concurrently, factory, caseTimeoutMs: 120_000 });
modelTest({ test: concurrently, factory, runs: 6 });
