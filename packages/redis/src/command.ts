/** A script call as ioredis sends it: written as one buffer, and settled by callbacks in place of a chain of promises. */
import { Command } from "ioredis";
import { type Binary, bytes } from "./codec.js";

/**
 * Stands in for a `Command` without being made by its constructor, which parses arguments, converts the reply and makes
 * promises: for a caller alone these cost more than all else that is done for a call here.
 */
export class ScriptCommand {
  readonly name: "evalsha" | "eval";
  // Errors of ioredis carry them.
  readonly args = [];
  readonly #buffer: Buffer;
  readonly #keys: readonly string[];
  resolve: (answer: unknown) => void;
  reject: (error: unknown) => void;
  /** ioredis need not look at it to trace it. */
  isTraced = true;

  constructor(
    name: "evalsha" | "eval",
    buffer: Buffer,
    keys: readonly string[],
    resolve: (answer: unknown) => void,
    reject: (error: unknown) => void,
  ) {
    this.name = name;
    this.#buffer = buffer;
    this.#keys = keys;
    this.resolve = resolve;
    this.reject = reject;
  }

  toWritable(): Buffer {
    return this.#buffer;
  }

  /** For the slot in a cluster. */
  getKeys(): readonly string[] {
    return this.#keys;
  }

  setReplyContext(): void {}

  /** As ioredis takes it: what it asks a command for beside what stands here, `Command` answers. */
  get asCommand(): Command {
    return this as unknown as Command;
  }
}
Object.setPrototypeOf(ScriptCommand.prototype, Command.prototype);

/** The beginning of every call of a script, up to its own arguments. */
export function encodePrefix(name: "evalsha" | "eval", script: string, keys: readonly string[]): Binary {
  return [name, script, `${keys.length}`, ...keys].map(encodeArgument).join("");
}

/** @param prefixLength - how many arguments are in it */
export function encodeCall(
  prefix: Binary,
  prefixLength: number,
  number: number,
  args: readonly Binary[],
): Buffer {
  let text = `*${prefixLength + 1 + args.length}\r\n${prefix}$4\r\n${bytes(number, 4)}\r\n`;
  for (const arg of args) text += `$${arg.length}\r\n${arg}\r\n`;
  return Buffer.from(text, "latin1");
}

function encodeArgument(arg: Binary): Binary {
  return `$${arg.length}\r\n${arg}\r\n`;
}
