/** The command line: parses it, does it, gives the exit code. */
import { SCENARIOS } from "../scenarios/index.js";
import { parseCommand, UsageError } from "./arguments.js";
import { compareFiles } from "./compare.js";
import { help, list } from "./help.js";
import { runAndReport } from "./run.js";

/** @returns 0; 1 when a ratio fell or a case could not be measured; 2 for words that are not understood */
export async function cli(args: readonly string[]): Promise<number> {
  try {
    const command = parseCommand(args, SCENARIOS);
    switch (command.do) {
      case "help":
        console.log(help(SCENARIOS));
        return 0;
      case "list":
        console.log(list(command.choice));
        return 0;
      case "compare":
        return await compareFiles(command);
      case "run":
        return await runAndReport(command);
    }
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}. See npm run bench -- --help`);
    return 2;
  }
}
