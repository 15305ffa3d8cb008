/** What the command line says; anything wrong with it is one sentence. */
import { parseArgs } from "node:util";
import { KINDS, type Kind } from "./kinds.js";

export interface Arguments {
  readonly seed: number;
  readonly forMs: number | undefined;
  readonly seeds: number | undefined;
  readonly only: readonly Kind[] | undefined;
}

/** Something that whoever typed the command has to put right. */
export class UsageError extends Error {}

export const HELP = `npm run torture -- --simulated [--seconds N] [--seed S] [--seeds N] [--only KIND,KIND]

The real manager in simulated time, on machines and networks that misbehave. Exits with 1 on a violation.

  --seconds N   how long to go on (default 60, or as long as --seeds takes)
  --seed S      the first seed (default: one that was not used before)
  --seeds N     how many seeds at most
  --only KINDS  what may happen: ${KINDS.join(", ")}`;

const OPTIONS = {
  simulated: { type: "boolean" },
  seconds: { type: "string" },
  seed: { type: "string" },
  seeds: { type: "string" },
  only: { type: "string", multiple: true },
  help: { type: "boolean", short: "h" },
} as const;

/**
 * @returns `null` when help was asked for
 * @throws UsageError
 */
export function parseArguments(args: readonly string[]): Arguments | null {
  const values = valuesOf(args);
  if (values.help) return null;
  if (!values.simulated) throw new UsageError("say --simulated: there is no other campaign yet");
  const seeds = numberOf("--seeds", values.seeds, 1);
  const seconds = numberOf("--seconds", values.seconds, 1);
  return {
    seed: numberOf("--seed", values.seed, 0) ?? Math.floor(Math.random() * 1_000_000_000),
    seeds,
    forMs: seconds === undefined ? (seeds === undefined ? 60_000 : undefined) : seconds * 1000,
    only: values.only?.flatMap((text) => text.split(",")).map(kindOf),
  };
}

function valuesOf(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function numberOf(option: string, text: string | undefined, least: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least && text.trim() !== "") return value;
  throw new UsageError(`${option} "${text}" is not a whole number from ${least} on`);
}

function kindOf(text: string): Kind {
  const kind = KINDS.find((each) => each === text.trim());
  if (kind === undefined) throw new UsageError(`--only "${text}" is not one of ${KINDS.join(", ")}`);
  return kind;
}
