import type { MemoryStore } from "@lease/core/backend";
import { describe, expect, test } from "vitest";
import { type ClientFault, explore, SCENARIOS, type Scenario } from "../src/index.js";
import { MUTANTS, mutantStore } from "./mutants.js";

describe("the specification keeps every promise in every state of", () => {
  let states = 0;
  for (const scenario of SCENARIOS) {
    test(scenario.name, () => {
      states += explore(scenario).states;
    });
  }
  test("some hundred thousand states in all", () => {
    expect(states).toBeGreaterThan(200_000);
  });
});

describe("the explorer finds a store that", () => {
  for (const mutant of MUTANTS) {
    const { name, exploredIn } = mutant;
    if (exploredIn === null) continue;
    test(name, async () => {
      expect(found(exploredIn, { Store: await mutantStore(mutant) })).toMatch(/^Explored ".*": .+\n {2}1\. /);
    });
  }
});

describe("the explorer finds a client that", () => {
  const faults: Record<ClientFault, string> = {
    "deadline-from-reply": "two waiters",
    "deadline-from-ttl": "asking again",
    "release-unanswered": "asking again",
  };
  for (const [fault, scenario] of Object.entries(faults)) {
    test(`has the fault ${fault}`, () => {
      expect(found(scenario, { fault: fault as ClientFault })).toMatch(
        /believes in 0\.1, which is over|after "released"/,
      );
    });
  }
});

/** What the explorer says of a scenario with a fault. */
function found(name: string, { Store, fault }: { Store?: typeof MemoryStore; fault?: ClientFault }): string {
  const scenario = SCENARIOS.find((each) => each.name === name);
  if (scenario === undefined) throw new Error(`There is no scenario "${name}"`);
  const faulty: Scenario = {
    ...scenario,
    ...(Store && { Store }),
    clients: scenario.clients.map((client) => (fault ? { ...client, fault } : client)),
  };
  try {
    explore(faulty);
  } catch (error) {
    expect(error).toMatchObject({ name: "CheckFailed" });
    return (error as Error).message;
  }
  throw new Error("Every state kept every promise");
}
