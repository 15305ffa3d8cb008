/** `npm run bench -- SCENARIO …`: each scenario prints a table of medians and says how it measured. */
import { etcd } from "./etcd.js";
import { metrics } from "./metrics.js";
import { redis } from "./redis.js";
import { sqlite } from "./sqlite.js";

const SCENARIOS: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  sqlite,
  redis,
  etcd,
  metrics,
};

const [name = "", ...args] = process.argv.slice(2);
const scenario = SCENARIOS[name];
if (scenario === undefined) {
  console.error(`usage: npm run bench -- ${Object.keys(SCENARIOS).join(" | ")} [options]`);
  process.exitCode = 2;
} else {
  await scenario(args);
}
