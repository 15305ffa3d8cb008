import type { Claim, Mode } from "@lease/core";
import { conflicts } from "@lease/core/backend";
import { equal } from "../assert.js";
import { type Cases, exclusive, shared } from "./context.js";

/** Every way in which two names can overlap or only look as if. */
const NAMES = ["a", "a/b", "a/b/c", "a/bc", "ab", "a/**", "a/b/**", "ab/**", "**", "b/a"];
const MODES: readonly Mode[] = ["exclusive", "shared"];
const CLAIMS: readonly Claim[] = NAMES.flatMap((resource) => MODES.map((mode) => ({ resource, mode })));

export const ruleCases: Cases = {
  async "every mode on every overlap is decided as by conflicts()"(c) {
    for (const first of CLAIMS) {
      const held = await c.hold([first]);
      for (const second of CLAIMS) {
        const result = await c.other.acquire(c.request([second], { agentId: "bob" }));
        const expected = conflicts(first, second) ? "refused" : "granted";
        equal(result.status, expected, `${JSON.stringify(second)} beside ${JSON.stringify(first)}`);
        if (result.status === "granted") await c.release(result.lease, c.other);
      }
      await c.release(held);
    }
  },

  async "a queued request blocks later ones by the same rule"(c) {
    for (const waiting of CLAIMS) {
      const held = await c.hold([waiting]);
      const pending = await c.queue([{ ...waiting, mode: "exclusive" }], { agentId: "bob" });
      await c.release(held);
      for (const later of CLAIMS) {
        const result = await c.other.acquire(c.request([later], { agentId: "carol" }));
        const expected = conflicts({ ...waiting, mode: "exclusive" }, later) ? "refused" : "granted";
        equal(result.status, expected, `${JSON.stringify(later)} behind ${JSON.stringify(waiting)}`);
        if (result.status === "granted") await c.release(result.lease, c.other);
      }
      await c.release(pending);
    }
  },

  async "readers hold beside readers; a writer waits for all of them"(c) {
    const readers = [
      await c.hold(shared("r"), { agentId: "r1" }),
      await c.hold(shared("r"), { agentId: "r2", on: c.other }),
    ];
    const writer = await c.queue("r", { agentId: "w" });
    for (const reader of readers) {
      equal((await c.again(writer)).status, "refused", "the writer, beside a reader");
      await c.release(reader);
    }
    equal((await c.again(writer)).status, "granted", "the writer, alone");
  },

  async "a queued writer is not starved: readers that come after it wait behind it"(c) {
    const reader = await c.hold(shared("r"), { agentId: "r1" });
    const writer = await c.queue("r", { agentId: "w" });
    const late = await c.queue(shared("r"), { agentId: "r2", on: c.other });
    await c.refused(c.request(shared("r"), { agentId: "r3" }));
    await c.release(reader);
    equal((await c.again(late)).status, "refused", "the late reader, before the writer");
    equal((await c.again(writer)).status, "granted", "the writer");
    equal((await c.again(late)).status, "refused", "the late reader, beside the writer");
    await c.release(writer);
    equal((await c.again(late)).status, "granted", "the late reader, after the writer");
  },

  async "a wide waiter holds back everything below it, until it gives up"(c) {
    await c.hold("src/a.ts");
    const wide = await c.queue("src/**", { agentId: "bob" });
    const refused = await c.refused(c.request("src/b.ts", { agentId: "carol" }));
    equal(
      refused.blockers.map(({ id, state }) => [id, state]),
      [[wide.id, "pending"]],
      "the blockers",
    );
    await c.hold("lib/b.ts", { agentId: "carol" });
    await c.release(wide);
    await c.hold("src/b.ts", { agentId: "carol", on: c.other });
  },

  async "one conflicting claim of many is enough, on either side"(c) {
    await c.hold([...shared("a", "b"), ...exclusive("c")]);
    await c.hold(shared("a", "b"), { agentId: "bob" });
    const refused = await c.refused(c.request([...shared("a"), ...shared("c")], { agentId: "bob" }));
    equal(
      refused.blockers.map(({ resource, mode }) => [resource, mode]),
      [["c", "exclusive"]],
      "the claim in the way",
    );
    equal(refused.blockerCount, 1, "a lease blocks once, however many of its claims conflict");
  },
};
