import { expect, test } from "vitest";
import { revokeAgent } from "../src/index.js";
import { rejection, settled, world } from "./support.js";

test("revokes everything an agent has, in line too, and nothing of others", async () => {
  const { manager, backend, clock, live } = world();
  const alice = manager({ agentId: "alice" });
  const held = await alice.acquire("a");
  await manager({ agentId: "bob" }).acquire("b");
  const waiting = rejection(alice.acquire("b"));
  await settled();
  const revoked = await revokeAgent(backend, "alice", { by: "ops", reason: "gone rogue" });
  expect(revoked.map(({ state }) => state)).toEqual(["active", "pending"]);
  expect(await live()).toEqual(["bob active b"]);
  await clock.advance(10_000);
  expect(held.loss).toMatchObject({ details: { how: "revoked", by: "ops", reason: "gone rogue" } });
  expect((await waiting).code).toBe("LEASE_LOST");
});

test("with a grace the leases live on and are being revoked", async () => {
  const { manager, backend, live } = world();
  await manager().acquire("a");
  const revoked = await revokeAgent(backend, "alice", { by: "ops", graceMs: 5_000 });
  expect(revoked).toHaveLength(1);
  expect(await live()).toEqual(["alice active a"]);
});

test("an agent with nothing has nothing revoked", async () => {
  expect(await revokeAgent(world().backend, "nobody", { by: "ops" })).toEqual([]);
});

test("bad arguments are refused, also where there is nothing to revoke", async () => {
  const { backend } = world();
  const field = async (options: object) =>
    (await rejection(revokeAgent(backend, "nobody", { by: "ops", ...options }))).details.field;
  expect(await field({ by: "" })).toBe("by");
  expect(await field({ reason: "a\nb" })).toBe("reason");
  expect(await field({ graceMs: -1 })).toBe("graceMs");
});
