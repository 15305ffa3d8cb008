import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isLeaseError } from "../src/errors.js";
import { admitFence, type Fence, type FenceBars, FencingGuard, NO_BARS } from "../src/fencing.js";
import type { Mode } from "../src/model/model.js";
import { mode } from "./arbitraries.js";
import { expectInvalid } from "./expect-invalid.js";

type Write = { readonly token: number; readonly mode: Mode };

const writes: fc.Arbitrary<Write[]> = fc.array(fc.record({ token: fc.integer({ min: 1, max: 6 }), mode }), {
  maxLength: 20,
});

/** Sends writes one after another; tells of each whether it was admitted, and the bars after it. */
function send(all: readonly Write[]) {
  let bars: FenceBars = NO_BARS;
  return all.map((write) => {
    const before = bars;
    const verdict = admitFence(bars, write);
    if (verdict.admitted) bars = verdict.bars;
    return { write, before, bars, admitted: verdict.admitted };
  });
}

describe("the trace: a shared reader, then a stale exclusive write", () => {
  test("the reader's bar refuses the older writer", () => {
    const guard = new FencingGuard();
    guard.admit("doc", { token: 1, mode: "exclusive" });
    // Token 1 loses its lease without knowing; the readers of tokens 2 and 3 are let in.
    guard.admit("doc", { token: 3, mode: "shared" });
    expect(() => guard.admit("doc", { token: 1, mode: "exclusive" })).toThrow(
      expect.objectContaining({
        code: "FENCED",
        details: { thing: "doc", token: 1, mode: "exclusive", bar: 3 },
      }),
    );
    // An older reader beside a newer one is nothing to refuse.
    guard.admit("doc", { token: 2, mode: "shared" });
    expect(guard.bars("doc")).toEqual({ exclusive: 1, shared: 3 });
  });

  test("the writer's bar refuses the older reader", () => {
    const guard = new FencingGuard();
    guard.admit("doc", { token: 5 });
    expect(() => guard.admit("doc", { token: 4, mode: "shared" })).toThrow(
      expect.objectContaining({ code: "FENCED" }),
    );
  });
});

describe("admitFence", () => {
  test("admits exactly what no newer conflicting write came before", () => {
    fc.assert(
      fc.property(writes, (all) => {
        const sent = send(all);
        for (const [index, { write, admitted }] of sent.entries()) {
          const overtaken = sent
            .slice(0, index)
            .some(
              (other) =>
                other.admitted &&
                other.write.token > write.token &&
                (other.write.mode === "exclusive" || write.mode === "exclusive"),
            );
          expect(admitted).toBe(!overtaken);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("never lowers a bar, and raises only that of the write's mode", () => {
    fc.assert(
      fc.property(writes, (all) => {
        for (const { write, before, bars, admitted } of send(all)) {
          const other = write.mode === "exclusive" ? "shared" : "exclusive";
          expect(bars[other]).toBe(before[other]);
          expect(bars[write.mode]).toBe(
            admitted ? Math.max(before[write.mode], write.token) : before[write.mode],
          );
        }
      }),
    );
  });

  test("admits the same write again, changing nothing", () => {
    fc.assert(
      fc.property(writes, (all) => {
        for (const { write, bars, admitted } of send(all)) {
          if (admitted) expect(admitFence(bars, write)).toEqual({ admitted: true, bars });
        }
      }),
    );
  });

  test("takes a fence without a mode as exclusive", () => {
    expect(admitFence(NO_BARS, { token: 2 })).toEqual({ admitted: true, bars: { exclusive: 2, shared: 0 } });
    expect(admitFence({ exclusive: 0, shared: 3 }, { token: 2 })).toEqual({ admitted: false, bar: 3 });
  });

  test.each<[field: string, bars: unknown, fence: unknown]>([
    ["fence.token", NO_BARS, { token: 0 }],
    ["fence.token", NO_BARS, { token: 1.5 }],
    ["fence.token", NO_BARS, { token: "7" }],
    ["fence.token", NO_BARS, { token: Number.POSITIVE_INFINITY }],
    ["fence.token", NO_BARS, { token: 2 ** 53 }],
    ["fence.token", NO_BARS, {}],
    ["fence", NO_BARS, 7],
    ["fence.mode", NO_BARS, { token: 1, mode: "write" }],
    ["fence.mode", NO_BARS, { token: 1, mode: null }],
    ["bars", null, { token: 1 }],
    ["bars.exclusive", { exclusive: "9", shared: 0 }, { token: 1 }],
    ["bars.exclusive", {}, { token: 1 }],
    ["bars.shared", { exclusive: 0, shared: 9n }, { token: 1 }],
  ])("refuses %s: %o %o", (field, bars, fence) => {
    expectInvalid(field, () => admitFence(bars as FenceBars, fence as Fence));
  });
});

describe("FencingGuard", () => {
  test("keeps bars for each thing", () => {
    const guard = new FencingGuard();
    guard.admit("a", { token: 9 });
    guard.admit("b", { token: 1 });
    expect(guard.bars("a")).toEqual({ exclusive: 9, shared: 0 });
    expect(guard.bars("__proto__")).toEqual(NO_BARS);
  });

  test("writes what it admits, gives back what the write returns, and does not write what it refuses", () => {
    const guard = new FencingGuard();
    let written = "";
    const write = (text: string) => () => {
      written = text;
      return text.length;
    };
    const length: number = guard.write("doc", { token: 2 }, write("second"));
    expect(length).toBe(6);
    expect(() => guard.write("doc", { token: 1 }, write("late"))).toThrow(/token 1 is over/);
    expect(written).toBe("second");
  });

  test("a write that throws leaves the bars raised and may be tried again", () => {
    const guard = new FencingGuard();
    const fence = { token: 2 };
    const fail = (): number => {
      throw new Error("disk full");
    };
    expect(() => guard.write("doc", fence, fail)).toThrow("disk full");
    expect(() => guard.admit("doc", { token: 1 })).toThrow(expect.objectContaining({ code: "FENCED" }));
    expect(guard.write("doc", fence, () => 1)).toBe(1);
  });

  test("an async write is a type error, and refused where there are no types", () => {
    const guard = new FencingGuard();
    const message = expectInvalid("write", () =>
      // @ts-expect-error its writing would go on after the check
      guard.write("doc", { token: 1 }, async () => {
        throw new Error("must not become an unhandled rejection");
      }),
    );
    expect(message).toMatch(/admitFence/);
  });

  test.each<[unknown, RegExp]>([
    ["", /must not be empty/],
    [7, /must be a string/],
    ["a\nb", /control character/],
    ["x".repeat(513), /513 bytes/],
    ["src/**", /each single thing/],
    ["**", /each single thing/],
  ])("refuses the thing %o, and raises no bar", (thing, message) => {
    const guard = new FencingGuard();
    expect(expectInvalid("thing", () => guard.admit(thing as string, { token: 1 }))).toMatch(message);
    expect(guard.bars(thing as string)).toBe(NO_BARS);
  });

  test("a refused argument raises no bar", () => {
    const guard = new FencingGuard();
    expectInvalid("fence.mode", () => guard.admit("doc", { token: 5, mode: "both" as Mode }));
    expect(guard.bars("doc")).toBe(NO_BARS);
  });

  test("the refusal says what happened", () => {
    const guard = new FencingGuard();
    guard.admit("doc", { token: 8 });
    try {
      guard.admit("doc", { token: 7 });
      expect.fail("admitted");
    } catch (error) {
      if (!isLeaseError(error, "FENCED")) throw error;
      expect(error.message).toBe(
        '"doc" was already written with the newer token 8: the lease of token 7 is over, stop its work. Nothing was written.',
      );
    }
  });
});

test("the SQL that the documentation shows decides as admitFence does", () => {
  const db = new DatabaseSync(":memory:");
  db.exec(
    "create table things (name text primary key, body text, fence_exclusive integer, fence_shared integer)",
  );
  const sql = {
    exclusive: db.prepare(
      `UPDATE things SET body = :body, fence_exclusive = :token
        WHERE name = :name AND fence_exclusive <= :token AND fence_shared <= :token`,
    ),
    shared: db.prepare(
      `UPDATE things SET body = :body, fence_shared = max(fence_shared, :token)
        WHERE name = :name AND fence_exclusive <= :token`,
    ),
  };
  const read = db.prepare("select fence_exclusive as exclusive, fence_shared as shared from things");
  fc.assert(
    fc.property(writes, (all) => {
      db.exec("delete from things");
      db.exec("insert into things values ('doc', '', 0, 0)");
      for (const { write, bars, admitted } of send(all)) {
        const { changes } = sql[write.mode].run({ name: "doc", body: "x", token: write.token });
        expect(changes).toBe(admitted ? 1 : 0);
        expect({ ...read.get() }).toEqual(bars);
      }
    }),
  );
  db.close();
});
