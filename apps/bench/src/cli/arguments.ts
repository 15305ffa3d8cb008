/** What the command line says; anything wrong with it is one sentence. */
import { parseArgs } from "node:util";
import { BACKENDS, type BackendName } from "../frame/contender.js";
import type { Pinned } from "../frame/pin.js";
import type { Choice, RunSettings } from "../frame/run.js";
import type { Scenario } from "../frame/scenario.js";

export type Command =
  | { readonly do: "help" }
  | { readonly do: "list"; readonly choice: Choice }
  | { readonly do: "run"; readonly choice: Choice; readonly settings: RunSettings }
  | { readonly do: "compare"; readonly before: string; readonly after: string; readonly tolerance: number };

export const DEFAULTS = Object.freeze({ rounds: 3, roundMs: 300, tolerance: 0.15 });

/** Something that whoever typed the command has to put right. */
export class UsageError extends Error {}

const OPTIONS = {
  scenario: { type: "string", multiple: true },
  backend: { type: "string", multiple: true },
  concurrency: { type: "string", multiple: true },
  rounds: { type: "string" },
  "round-ms": { type: "string" },
  peers: { type: "boolean" },
  pin: { type: "string" },
  tolerance: { type: "string" },
  list: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** @throws UsageError */
export function parseCommand(args: readonly string[], scenarios: readonly Scenario[]): Command {
  const { values, positionals } = parsed(args);
  if (values.help) return { do: "help" };
  const [word, ...files] = positionals;
  if (word === "compare") {
    const [before, after] = files;
    if (before === undefined || after === undefined || files.length > 2) {
      throw new UsageError("compare takes two files: compare BEFORE.json AFTER.json");
    }
    return {
      do: "compare",
      before,
      after,
      tolerance: part("--tolerance", values.tolerance, DEFAULTS.tolerance),
    };
  }
  if (word !== undefined) {
    throw new UsageError(`"${word}" is no command: give options only, or compare BEFORE.json AFTER.json`);
  }
  const choice = {
    scenarios: chosen("--scenario", values.scenario, scenarios, ({ name }) => name),
    backends: chosen<BackendName>("--backend", values.backend, BACKENDS, (name) => name),
    concurrency: words(values.concurrency)?.map((text) => count("--concurrency", text)) ?? null,
  };
  if (values.list) return { do: "list", choice };
  const settings = {
    rounds: values.rounds === undefined ? DEFAULTS.rounds : count("--rounds", values.rounds),
    roundMs: values["round-ms"] === undefined ? DEFAULTS.roundMs : count("--round-ms", values["round-ms"]),
    peers: values.peers ?? true,
    pin: values.pin === undefined ? null : cores(values.pin),
  };
  return { do: "run", choice, settings };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, allowNegative: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** `a,b` and `a` `b` are the same. */
function words(given: readonly string[] | undefined): string[] | undefined {
  return given?.flatMap((text) => text.split(",")).map((word) => word.trim());
}

function chosen<T>(
  option: string,
  given: readonly string[] | undefined,
  all: readonly T[],
  nameOf: (one: T) => string,
): readonly T[] {
  const names = words(given);
  if (names === undefined) return all;
  const known = all.map(nameOf);
  for (const name of names) {
    if (!known.includes(name)) throw new UsageError(`${option} "${name}" is not one of ${known.join(", ")}`);
  }
  return all.filter((one) => names.includes(nameOf(one)));
}

function count(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new UsageError(`${option} "${text}" is not a whole number above 0`);
  }
  return value;
}

function cores(text: string): Pinned {
  if (text === "1" || text === "2") return text === "1" ? 1 : 2;
  throw new UsageError(`--pin "${text}" is not 1 (client and server on one core) or 2 (on one each)`);
}

function part(option: string, text: string | undefined, byDefault: number): number {
  const value = text === undefined ? byDefault : Number(text);
  if (text === "" || !(value >= 0 && value < 1)) {
    throw new UsageError(`${option} "${text}" is not a number from 0 to below 1, such as ${byDefault}`);
  }
  return value;
}
