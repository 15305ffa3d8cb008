import { expect, test } from "vitest";
import { createJanitor, createMonitor, revokeAgent } from "../src/index.js";
import { rejection, world } from "./support.js";

const { backend, clock } = world();

test.each<[string, () => unknown]>([
  ["retention", () => createJanitor({ backend, clock, retention: 5 } as never)],
  ["historyRetentionMs", () => createJanitor({ backend, clock, historyRetentionMs: -1 })],
  ["grace", () => createMonitor({ backend, clock, grace: 5 } as never)],
  ["onDeadlock", () => createMonitor({ backend, clock, onDeadlock: "kill" } as never)],
])("a service is not made with a bad option: %s", (field, make) => {
  expect(make).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT", details: { field } }));
});

test.each<[string, object]>([
  ["ttl", { by: "ops", ttl: 5 }],
  ["by", { by: "" }],
  ["graceMs", { by: "ops", graceMs: -1 }],
])(
  "nothing is revoked with a bad option, also where there is nothing to revoke: %s",
  async (field, options) => {
    const refusal = rejection(revokeAgent(backend, "alice", options as never));
    expect(await refusal).toMatchObject({ code: "INVALID_ARGUMENT", details: { field } });
  },
);
