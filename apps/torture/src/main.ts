import { HELP, parseArguments, UsageError } from "./arguments.js";
import { campaign } from "./campaign.js";
import { reportOf } from "./report.js";

try {
  const settings = parseArguments(process.argv.slice(2));
  if (settings === null) console.log(HELP);
  else {
    const result = await campaign(settings);
    console.log(reportOf(result));
    if (result.failed !== null) process.exitCode = 1;
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${HELP}`);
  process.exitCode = 2;
}
