/** The backend of CONTRIBUTING.md passes the whole suite, and a restart of its process. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { conformance, modelTest, type SimulatedClock, sharedStore, simulatedClock } from "@lease/testing";
import { afterAll, describe, expect, test } from "vitest";
import { jsonFileBackend } from "../examples/json-file-backend.js";

const folder = mkdtempSync(join(tmpdir(), "lease-json-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const open = (clock: SimulatedClock) => {
  files += 1;
  return jsonFileBackend({ path: join(folder, `${files}.json`), clock });
};
const factory = async () => {
  const clock = simulatedClock();
  return sharedStore(open(clock), clock);
};

describe("the backend in one JSON file", () => {
  conformance({ test, factory, limits: { renewals: "recorded", orphanSlackTtls: 1 } });
  modelTest({ test, factory, runs: 20 });
});

test("it takes 150 lines at the most", () => {
  const source = readFileSync(new URL("../examples/json-file-backend.ts", import.meta.url), "utf8");
  const lines = source.split("\n").filter((line) => !/^\s*(\/\/.*|\/?\*.*)?$/.test(line));
  expect(lines.length).toBeLessThanOrEqual(150);
});

test("after a restart a lease is still held, for its whole time from then on", async () => {
  const clock = simulatedClock();
  const path = join(folder, "restarted.json");
  const id = "01900000-0000-7000-8000-000000000001";
  const request = {
    ...{ id, agentId: "alice", claims: [{ resource: "r", mode: "exclusive" as const }], ttlMs: 1000 },
    ...{ maxRenewals: null, wait: "no" as const, waitTtlMs: 1000, holding: [], reason: null, metadata: null },
  };
  const first = jsonFileBackend({ path, clock });
  await first.acquire(request);
  await first.close();
  await clock.advance(900);
  const again = jsonFileBackend({ path, clock });
  expect(await again.acquire(request)).toMatchObject({ repeated: true, lease: { expiresInMs: 1000 } });
  await again.close();
});
