/** Copies of core with one fault each, made from its sources: a campaign that does not notice them holds nothing. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import type { Kind } from "../src/kinds.js";
import type { Subject } from "../src/subject.js";

const core = fileURLToPath(new URL("../../../packages/core/src/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "lease-torture-"));
// Not at the process's exit: a worker of the test runner may be ended without one.
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Planted {
  readonly name: string;
  /** The checks that may find it first. */
  readonly foundBy: readonly string[];
  /** What it takes to show. Default: all kinds. */
  readonly only?: readonly Kind[];
  /** What is changed: in which module, what, and into what. */
  readonly changes: readonly (readonly [module: string, from: string, to: string])[];
}

/** Core with the fault. */
export async function plant({ name, changes }: Planted): Promise<Subject> {
  const copy = join(folder, name.replaceAll(/\W+/g, "-"));
  cpSync(core, copy, { recursive: true });
  for (const [module, from, to] of changes) {
    const file = join(copy, `${module}.ts`);
    writeFileSync(file, replacedOnce(readFileSync(file, "utf8"), from, to));
  }
  return (await import(/* @vite-ignore */ join(copy, "index.ts"))) as Subject;
}

function replacedOnce(text: string, from: string, to: string): string {
  if (text.split(from).length === 2) return text.replace(from, () => to);
  throw new Error(`This must stand in the source exactly once, or the fault must be adapted: ${from}`);
}

export const PLANTED: readonly Planted[] = [
  {
    name: "no margin for the drift between two clocks",
    foundBy: ["two holders", "fence"],
    changes: [["manager/belief", "return 1 + expiresInMs * DEFAULTS.driftPart;", "return 0;"]],
  },
  {
    name: "a deadline that counts from the answer",
    foundBy: ["two holders", "fence"],
    changes: [
      [
        "manager/belief",
        "const until = sent.sentAt + expiresInMs",
        "const until = this.#clock.now() + expiresInMs",
      ],
    ],
  },
  {
    name: "isHeld from a flag that a timer sets",
    foundBy: ["two holders", "fence"],
    changes: [
      ["manager/belief", "return this.#clock.now() >= this.#until;", "return this.#rung;"],
      ["manager/belief", "#until = 0;", "#until = 0;\n  #rung = false;"],
      [
        "manager/belief",
        "    this.#sent = sent;\n  }",
        "    this.#sent = sent;\n    this.#clock.schedule(this.#until - this.#clock.now(), () => { this.#rung = this.#clock.now() >= this.#until; });\n  }",
      ],
      ["manager/belief", 'this.#until ? "sure" : "suspect"', 'Infinity ? "sure" : "suspect"'],
    ],
  },
  {
    name: "a sleep that is not noticed",
    foundBy: ["two holders", "fence"],
    changes: [
      ["manager/belief", "this.#clock.now() + sleptMs(this.#clock, this.#sent) <", "this.#clock.now() <"],
    ],
  },
  {
    name: "a repeated renewal that counts as one",
    foundBy: ["renewals", "two holders", "fence"],
    changes: [
      [
        "manager/handle",
        "this.#belief.confirm(result.lease.expiresInMs, sent);",
        "this.#belief.confirm(result.lease.ttlMs, sent);",
      ],
    ],
  },
  {
    name: "a count of renewals that is not adopted",
    foundBy: ["renewals"],
    changes: [["manager/renewal-count", "    this.#counted = renewals;\n", ""]],
  },
  {
    name: "renewals that come too late",
    foundBy: ["renewals"],
    changes: [["manager/defaults", "renewPart: 1 / 3", "renewPart: 1.1"]],
  },
  {
    name: "maxHoldMs that is forgotten",
    foundBy: ["max hold"],
    changes: [["manager/belief", "this.#capAt = grant.sentAt + maxHoldMs;", "this.#capAt = Infinity;"]],
  },
  {
    name: "a release where an attempt went unanswered",
    foundBy: ["feed", "left behind", "given up"],
    changes: [
      [
        "manager/wait",
        'if (this.#unanswered) request = { kind: "abandon", id, agentId };\n    else if',
        "if",
      ],
      ["manager/handle", "this.#unanswered = grant.unanswered;", "this.#unanswered = false;"],
    ],
  },
  {
    name: "an abort that leaves its place in the queue",
    foundBy: ["given up", "left behind"],
    changes: [["manager/wait", "      await this.#leave();\n      throw error;", "      throw error;"]],
  },
  {
    name: "an abort that is noticed only with the next answer",
    foundBy: ["bounds"],
    changes: [
      ["manager/wait", "if (signal === undefined) return answer;", "if (signal !== null) return answer;"],
    ],
  },
  {
    name: "wakes that are missed",
    foundBy: ["wakes"],
    changes: [["memory/memory", "        turns.check(store.takeMoved());\n", ""]],
  },
  {
    name: "wakes that are missed, and no heartbeat",
    foundBy: ["wakes", "bounds", "feed"],
    changes: [
      ["memory/memory", "        turns.check(store.takeMoved());\n", ""],
      ["manager/defaults", "heartbeatPart: 1 / 3", "heartbeatPart: 1_000"],
    ],
  },
  {
    name: "time of a hand-off that counts from its receipt",
    foundBy: ["oracle", "two holders", "fence"],
    changes: [
      [
        "backend/steps",
        'return { status: "granted", lease: this.#held(existing), repeated: true };',
        'return { status: "granted", lease: { ...this.#held(existing), expiresInMs: existing.ttlMs }, repeated: true };',
      ],
    ],
  },
  {
    name: "no look for deadlocks",
    foundBy: ["deadlock"],
    changes: [
      ["manager/wait", "    if (lease !== null && lease.holding.length > 0) this.#look(lease);\n", ""],
    ],
  },
  {
    name: "a deadlock through the lease above the one that is stated",
    foundBy: ["deadlock"],
    changes: [["manager/handle", "holding: [this.id, ...this.lease.holding]", "holding: [this.id]"]],
  },
  {
    name: "a nested acquire that outlives its lease",
    foundBy: ["nested"],
    changes: [
      ["manager/manager", "[settings.signal, parent?.over]", "[settings.signal]"],
      [
        "manager/handle",
        "    try {\n      this.#throwIfOver();\n      return lease;",
        "    try {\n      return lease;",
      ],
    ],
  },
  {
    name: "waits that a closing manager forgets",
    foundBy: ["bounds"],
    changes: [["manager/manager", "for (const wait of this.#waits) wait.abort(closed());", ""]],
  },
  {
    name: "a loss that nobody catches",
    foundBy: ["errors"],
    changes: [
      [
        "manager/handle",
        "    this.loss = loss;\n",
        "    this.loss = loss;\n    void Promise.reject(loss);\n",
      ],
    ],
  },
  {
    name: "a lease that is not given back when the store is away for a moment",
    foundBy: ["left behind"],
    changes: [
      [
        "manager/give-back",
        "if (!isTransient(error) || clock.now() + pauseMs >= until)",
        "if (pauseMs >= 0)",
      ],
    ],
  },
  {
    name: "a store that grants past who came first",
    foundBy: ["feed", "oracle"],
    changes: [
      [
        "backend/steps",
        "else if (rival.token < token) {",
        'else if (rival.token < token && this.#ledger.read(rival).state === "active") {',
      ],
    ],
  },
  {
    name: "a store that grants beside a holder",
    foundBy: ["two holders", "feed", "oracle"],
    changes: [
      [
        "model/rule",
        'return (a.mode === "exclusive" || b.mode === "exclusive")',
        'return a.mode === "exclusive" && b.mode === "exclusive"',
      ],
    ],
  },
  {
    name: "a store that ends without recording it",
    foundBy: ["feed", "oracle"],
    changes: [
      ["backend/steps", "    for (const rival of over) this.expire(this.#ledger.read(rival));\n", ""],
    ],
  },
  {
    name: "a feed that loses an event",
    foundBy: ["feed", "given up"],
    changes: [
      [
        "memory/memory-store",
        "    this.#history.push(entry);",
        '    if (type !== "cancelled") this.#history.push(entry);\n    else this.#lastSequence -= 1;',
      ],
    ],
  },
  {
    name: "a token that is given twice",
    foundBy: ["feed", "tokens", "oracle"],
    changes: [["model/token", "Math.max(last + 1, ", "Math.max(last, "]],
  },
  {
    name: "a fence that lets a stale write past readers",
    foundBy: ["fence"],
    changes: [
      [
        "fencing",
        'mode === "exclusive" ? Math.max(bars.exclusive, bars.shared) : bars.exclusive',
        "bars.exclusive",
      ],
    ],
  },
];
