import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { memoryBackend } from "@lease/core";
import { expect, test } from "vitest";
import { conformance, conformanceCases, modelTest, sharedStore } from "../src/index.js";

const suite = fileURLToPath(new URL("./node-test.worker.ts", import.meta.url));

test("node:test runs the suite", () => {
  const { status, passed, failed } = nodeTest({});
  expect([status, failed]).toEqual([0, 0]);
  expect(passed).toBe(conformanceCases.length + 1);
});

test("node:test fails where the backend does", () => {
  const { status, passed, failed } = nodeTest({ LEASE_BROKEN: "1" });
  expect(status).toBe(1);
  expect(failed).toBeGreaterThan(10);
  expect(passed).toBeGreaterThan(10);
});

test("any runner can: all it must do is call named functions without arguments", () => {
  const names: string[] = [];
  const register = (name: string, run: () => Promise<void>) => {
    names.push(name);
    // A function with a parameter would be given a callback by jest, and never end.
    expect(run).toHaveLength(0);
  };
  const factory = async () => sharedStore(memoryBackend());
  conformance({ test: register, factory, limits: { expirySlackMs: 1 } });
  modelTest({ test: register, factory });
  expect(new Set(names).size).toBe(names.length);
  expect(names).toHaveLength(conformanceCases.length + 2);
});

function nodeTest(env: NodeJS.ProcessEnv) {
  const { status, stdout } = spawnSync(process.execPath, ["--test-reporter=tap", suite], {
    encoding: "utf8",
    env: { PATH: process.env.PATH, ...env },
    maxBuffer: 1 << 26,
  });
  const count = (what: string) => Number(new RegExp(`^# ${what} (\\d+)$`, "m").exec(stdout)?.[1]);
  return { status, passed: count("pass"), failed: count("fail") };
}
