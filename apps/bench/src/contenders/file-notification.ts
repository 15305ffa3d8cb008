/**
 * The least that a wake-up between two processes over files can do: one appends a byte to a file, the other hears of it
 * from the system. Nothing is locked; it only passes on.
 */
import { once } from "node:events";
import { appendFileSync, watch } from "node:fs";
import { join } from "node:path";
import type { Contender } from "../frame/contender.js";

export const fileNotification: Contender = {
  name: "raw file notification",
  kind: "raw",
  backends: ["sqlite"],
  packages: [],
  onlyPasses: true,
  async open({ address, namespace }, seat = { number: 0, of: 2 }) {
    const fileOf = (number: number) => join(address, `baton-${namespace}-${number}`);
    const mine = fileOf(seat.number);
    const next = fileOf((seat.number + 1) % seat.of);
    appendFileSync(mine, "");
    const watcher = watch(mine);
    // The first one has it from the start.
    let passed = seat.number === 0;
    watcher.on("change", () => {
      passed = true;
    });
    return {
      take() {
        throw new Error("it only passes on");
      },
      async takeInTurn() {
        while (!passed) await once(watcher, "change");
        passed = false;
        return { release: () => appendFileSync(next, ".") };
      },
      close: () => watcher.close(),
    };
  },
};
