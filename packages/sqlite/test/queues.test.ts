/** Long queues are remembered between steps; what is remembered must be what the file says. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Claim, createLeaseId, type LeaseBackend, memoryBackend } from "@lease/core";
import { simulatedClock } from "@lease/testing";
import { afterAll, expect, test } from "vitest";
import { createSqliteBackend } from "../src/backend.ts";

const folder = mkdtempSync(join(tmpdir(), "lease-queues-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** The same numbers for each run. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * below);
  };
}

const RESOURCES = ["a", "a/b", "c"];
const SUBTREES = ["a/**", "c/**"];

test.each([1, 2, 3])(
  "long queues, mixed claims, two connections: the answers of memory (seed %i)",
  async (seed) => {
    const random = randomOf(seed);
    const clock = simulatedClock();
    const path = join(folder, `${seed}.db`);
    const sqlite = [1, 2].map(() => createSqliteBackend({ path, clock }, { bootId: () => "boot" }));
    const memory = memoryBackend({ clock });
    const live: { id: string; claims: Claim[]; ttlMs: number; waitTtlMs: number }[] = [];

    /** Asks both, and compares what they say but for tokens, which each mints. */
    const ask = async (run: (backend: LeaseBackend) => Promise<unknown>) => {
      const connection = sqlite[random(10) === 0 ? 1 : 0] as LeaseBackend;
      const answers = [];
      for (const backend of [connection, memory]) answers.push(await run(backend));
      const [ours, theirs] = answers.map((answer) =>
        JSON.parse(JSON.stringify(answer), (key, value) => (key === "token" || key === "cursor" ? 0 : value)),
      );
      expect(ours).toEqual(theirs);
    };

    for (let step = 0; step < 600; step += 1) {
      const act = random(20);
      if (act < 8 || live.length < 30) {
        const resources = new Set([RESOURCES[random(10) < 8 ? 0 : random(3)] as string]);
        if (random(5) === 0) resources.add(RESOURCES[random(3)] as string);
        // Now and then, so that most steps know of no subtree.
        if (step > 300 && random(40) === 0) resources.add(SUBTREES[random(2)] as string);
        const claims = [...resources].map((resource) => {
          return { resource, mode: random(3) === 0 ? ("shared" as const) : ("exclusive" as const) };
        });
        live.push({ id: createLeaseId(), claims, ttlMs: 50 + random(500), waitTtlMs: 50 + random(500) });
      }
      const lease = live[act < 8 ? live.length - 1 : random(live.length)] as (typeof live)[number];
      const { id } = lease;
      if (act < 14) {
        const rest = { agentId: "x", maxRenewals: null, holding: [], reason: null, metadata: null };
        await ask((backend) => backend.acquire({ ...lease, ...rest, wait: "queue" }));
      } else if (act < 16) await ask((backend) => backend.renew([{ id, agentId: "x" }]));
      else if (act < 18) await ask((backend) => backend.release([{ kind: "release", id, agentId: "x" }]));
      else if (act < 19) await ask((backend) => backend.list({ limit: 1000 }));
      else await clock.advance(random(20));
    }
    for (const backend of [...sqlite, memory]) await backend.close();
  },
);
