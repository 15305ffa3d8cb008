import { createLeaseId } from "@lease/core";
import { equal, rejects } from "../assert.js";
import { background, type Cases } from "./context.js";

export const closeCases: Cases = {
  async "after close every call fails with CLOSED, and closing again is fine"(c) {
    const client = await c.open();
    const held = await c.hold("r", { on: client });
    await client.close();
    await client.close();
    const { id, agentId, token } = held;
    const calls = {
      acquire: () => client.acquire(c.request("s")),
      turn: () => client.turn({ id, timeoutMs: 0 }),
      renew: () => client.renew([{ id, agentId, token }]),
      release: () => client.release([{ kind: "release", id, agentId }]),
      list: () => client.list({}),
      sweep: () => client.sweep({}),
      changes: () => c.events({}, client),
      "changes, followed": () => c.events({ follow: true }, client),
    };
    for (const [name, call] of Object.entries(calls)) await rejects(call(), "CLOSED", name);
    equal(
      (await c.list()).map((lease) => lease.id),
      [id],
      "what is live",
    );
  },

  async "closing gives back the client and leaves the leases: others see and end them"(c) {
    const client = await c.open();
    const held = await c.hold("r", { on: client });
    await client.close();
    await c.refused(c.request("r", { agentId: "bob" }));
    const again = await c.open();
    equal((await c.find(held.id, again))?.token, held.token, "as a new client lists it");
    equal((await c.renew(held, {}, again)).status, "renewed", "as a new client renews it");
    equal(await c.release(held, again), "released", "as a new client releases it");
  },

  async "a turn and a follower that wait at close end with CLOSED"(c) {
    const client = await c.open();
    await c.hold("r");
    const pending = await c.queue("r", { agentId: "bob" });
    const turn = background(client.turn({ id: pending.id, timeoutMs: c.time.longMs }));
    const follower = background(c.events({ follow: true }, client));
    // Both are under way before the close.
    await c.time.staysOpen(Promise.race([turn, follower]), "they wait");
    await client.close();
    await rejects(c.time.settles(turn, "the turn ends"), "CLOSED", "the turn");
    await rejects(c.time.settles(follower, "the follower ends"), "CLOSED", "the follower");
    equal((await c.find(pending.id))?.state, "pending", "the waiter is still in the queue");
  },

  async "calls under way at close end: with an answer or with CLOSED"(c) {
    const client = await c.open();
    const calls = Array.from({ length: 10 }, (_, index) =>
      client.acquire(c.request(`r/${index}`, { id: createLeaseId() })).then(
        ({ status }) => equal(status, "granted", "the answer"),
        (error: { code?: string }) => equal(error.code, "CLOSED", "the error"),
      ),
    );
    await client.close();
    await c.time.settles(Promise.all(calls), "every call ends");
    await c.list();
  },
};
