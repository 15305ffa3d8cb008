import { describe, expect, test } from "vitest";
import { whatTheySaw } from "../src/scenarios/line.ts";

describe("what those in line saw", () => {
  const first = [
    [0, 0, 100, 110],
    [0, 110, 140, 150],
    [1, 5, null, null],
  ] as const;
  const second = [[0, 10, 115, 130]] as const;

  test("makes hand-offs from one process to another, and waits since the line moves, also of those who wait still", () => {
    const saw = whatTheySaw([first, second], 100, 200);
    expect(saw).toMatchObject({ grants: 3, rate: 30, handOff: 10, waitMost: 100 });
  });

  test("of one process every next grant is a hand-off", () => {
    expect(whatTheySaw([first], 100, 200)).toMatchObject({ grants: 2, handOff: 30 });
  });

  test("tells of fairness only where there was enough for everybody", () => {
    expect(whatTheySaw([first, second], 100, 200)).not.toHaveProperty("jain");
    const turns = Array.from({ length: 12 }, (_, turn) => [turn % 2, turn, turn + 1, turn + 2] as const);
    expect(whatTheySaw([turns], 0, 20)).toMatchObject({ jain: 1, overtaken: 0 });
  });

  test("counts who was passed", () => {
    const turns = [
      [0, 0, null, null],
      [1, 100, 200, 210],
      [1, 210, 300, 310],
    ] as const;
    expect(whatTheySaw([turns], 0, 400)).toMatchObject({ overtaken: 2 });
  });
});
