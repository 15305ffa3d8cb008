/** `npm run bench -- --help` tells all. */
import { cli } from "./cli/cli.js";

process.exitCode = await cli(process.argv.slice(2));
