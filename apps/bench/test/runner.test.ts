import { describe, expect, test } from "vitest";
import { measure } from "../src/frame/runner.ts";
import type { Context, Entrant } from "../src/frame/scenario.ts";
import { Stores } from "../src/frame/stores.ts";
import { plan } from "./results.ts";

const context: Context = { stores: new Stores(), roundMs: 1, peers: true, scale: 1 };

/** Contenders that only write down what is asked of them. */
function fakes(...names: string[]) {
  const log: string[] = [];
  const entrants = names.map((name): Entrant => {
    let rounds = 0;
    return {
      name,
      kind: "ours",
      packages: [],
      async measure() {
        log.push(name);
        rounds += 1;
        return { rate: rounds };
      },
      async tidy() {
        log.push(`${name} tidied`);
      },
    };
  });
  const close = async () => {
    log.push("closed");
  };
  return { log, open: async () => ({ entrants, close }) };
}

describe("the runner", () => {
  test("gives each its turn in every round, the other way round every second time", async () => {
    const { log, open } = fakes("A", "B");
    await measure(plan({ open }), context, 2);
    expect(log.filter((word) => word.length === 1).join("")).toBe("BA" + "AB" + "BA");
  });

  test("tidies after each, closes at the end, and throws the warm-up away", async () => {
    const { log, open } = fakes("A");
    const [measured] = await measure(plan({ open }), context, 2);
    expect(log).toEqual(["A", "A tidied", "A", "A tidied", "A", "A tidied", "closed"]);
    expect(measured?.samples).toEqual([{ rate: 2 }, { rate: 3 }]);
  });

  test("has no warm-up and fewer rounds where the case says so", async () => {
    const { open } = fakes("A");
    const [measured] = await measure(plan({ open, warmUp: false, mostRounds: 2 }), context, 9);
    expect(measured?.samples).toEqual([{ rate: 1 }, { rate: 2 }]);
  });

  test("closes also when a contender fails, and says what failed", async () => {
    const { log, open } = fakes("A");
    const failing = async () => {
      const opened = await open();
      return {
        ...opened,
        entrants: [{ ...opened.entrants[0], measure: () => Promise.reject(new Error("no")) } as Entrant],
      };
    };
    await expect(measure(plan({ open: failing }), context, 1)).rejects.toThrow("no");
    expect(log).toEqual(["closed"]);
  });

  test("tells how far it is", async () => {
    const { open } = fakes("A");
    const told: unknown[] = [];
    await measure(plan({ open }), context, 1, (_, round, rounds, name) => told.push([round, rounds, name]));
    expect(told).toEqual([
      [0, 1, "A"],
      [1, 1, "A"],
    ]);
  });
});
