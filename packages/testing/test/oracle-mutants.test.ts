/** What the oracle finds alone, in the log of a store with one fault, with no other store to compare with. */
import { describe, expect, test } from "vitest";
import { judge, simulatedClock } from "../src/index.js";
import { traffic } from "../src/oracle/traffic.js";
import { MUTANTS, mutantBackend } from "./mutants.js";

/** Faults of the feed, which the oracle does not read: its audit and the suite find them. */
const OF_THE_FEED: ReadonlySet<string> = new Set([
  "grants without first recording the end of what it passes",
  "lists as of a moment that is still to come",
  "lists as of the beginning",
  "gives each page of a listing a cursor of its own",
]);

/** Faults that the other tests need no mutant for. */
const MORE = [
  {
    name: "has two holders: grants beside one",
    from: "else if (rival.token < token) {",
    to: 'else if (rival.token < token && this.#ledger.read(rival).state === "pending") {',
  },
  {
    name: "refuses what is free: younger requests block too",
    from: "else if (rival.token < token) {",
    to: "else if (rival.token !== token) {",
  },
  {
    name: "ends a lease before its time",
    in: "memory/memory-store",
    from: "return this.at.now >= lease.expires;",
    to: "return this.at.now >= lease.expires - lease.ttlMs / 2;",
  },
  {
    name: "reports more time than is left",
    in: "memory/memory-store",
    from: "holdsMs(lease: MemoryLease): number {\n    return lease.expires - this.at.now;",
    to: "holdsMs(lease: MemoryLease): number {\n    return lease.expires - this.at.now + 20;",
  },
  {
    name: "ends leases that no answer shows the end of: a sweep takes one along",
    in: "memory/memory-store",
    from: "for (const lease of over) this.steps.expire(lease);",
    to: "for (const lease of [...this.#leases.values()].slice(0, 1)) this.remove(lease);\n    for (const lease of over) this.steps.expire(lease);",
  },
] as const;

const SEEDS = 60;

describe("the oracle finds a store that", () => {
  for (const mutant of [...MUTANTS, ...MORE]) {
    if (OF_THE_FEED.has(mutant.name)) continue;
    test(mutant.name, async () => {
      const open = await mutantBackend({ exploredIn: null, ...mutant });
      let kinds: string[] = [];
      for (let seed = 1; seed <= SEEDS && kinds.length === 0; seed += 1) {
        const clock = simulatedClock();
        const backend = open({ clock });
        const backends = [backend, backend, backend, backend, backend];
        const log = await traffic({ seed, clock, faults: 0.15, runMs: 24_000, backends });
        kinds = judge(log.calls, backend.limits).violations.map(({ kind }) => kind);
      }
      expect(kinds).not.toEqual([]);
    });
  }
});
