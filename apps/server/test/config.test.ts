import { describe, expect, test } from "vitest";
import { readConfig } from "../src/config.js";

test("the defaults: this machine, port 5327, an embedded database", () => {
  expect(readConfig({})).toEqual({
    backend: "sqlite:lease-data/leases.db",
    host: "127.0.0.1",
    port: 5327,
    token: undefined,
    drainMs: 5_000,
    maxHoldMs: 600_000,
    maxWaitMs: 300_000,
    limits: { maxStreams: 2_000, maxStreamsPerAddress: 1_000, maxPolls: 10_000, maxPollsPerAddress: 5_000 },
    logLevel: "info",
  });
});

test("what the environment says", () => {
  const env = {
    LEASE_BACKEND: "memory:",
    LEASE_HOST: "0.0.0.0",
    LEASE_PORT: "80",
    LEASE_TOKEN: "tr0ub4dor",
    LEASE_DRAIN_MS: "0",
    LEASE_MAX_HOLD_MS: "1000",
    LEASE_MAX_WAIT_MS: "0",
    LEASE_MAX_STREAMS: "20",
    LEASE_MAX_STREAMS_PER_ADDRESS: "10",
    LEASE_MAX_POLLS: "200",
    LEASE_MAX_POLLS_PER_ADDRESS: "100",
    LEASE_LOG_LEVEL: "warn",
    OTHER: "ignored",
  };
  expect(readConfig(env)).toEqual({
    backend: "memory:",
    host: "0.0.0.0",
    port: 80,
    token: "tr0ub4dor",
    drainMs: 0,
    maxHoldMs: 1_000,
    maxWaitMs: Number.POSITIVE_INFINITY,
    limits: { maxStreams: 20, maxStreamsPerAddress: 10, maxPolls: 200, maxPollsPerAddress: 100 },
    logLevel: "warn",
  });
});

test.each([
  ["LEASE_PORT", "x"],
  ["LEASE_PORT", "65536"],
  ["LEASE_PORT", "80.5"],
  ["LEASE_PORT", ""],
  ["LEASE_HOST", ""],
  ["LEASE_TOKEN", ""],
  ["LEASE_BACKEND", ""],
  ["LEASE_DRAIN_MS", "-1"],
  ["LEASE_MAX_HOLD_MS", "-1"],
  ["LEASE_MAX_STREAMS", "0"],
  ["LEASE_MAX_POLLS", "0.5"],
  ["LEASE_MAX_WAIT_MS", "ten"],
  ["LEASE_LOG_LEVEL", "loud"],
])("%s=%j is refused by name", (name, value) => {
  expect(() => readConfig({ [name]: value })).toThrow(name);
});

describe("without a token", () => {
  test.each(["127.0.0.1", "127.1.2.3", "localhost", "::1"])("LEASE_HOST=%s is this machine", (host) => {
    expect(readConfig({ LEASE_HOST: host }).host).toBe(host);
  });

  test.each(["0.0.0.0", "::", "192.168.1.5", "example.org", "127.evil.example"])(
    "LEASE_HOST=%s is refused",
    (host) => {
      expect(() => readConfig({ LEASE_HOST: host })).toThrow(/set LEASE_TOKEN/);
      expect(readConfig({ LEASE_HOST: host, LEASE_TOKEN: "t" }).host).toBe(host);
    },
  );
});
