/** `npm run demo`: eight processes edit the same three files, without leases and with them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { isLeaseError } from "@lease/core";
import { sqliteBackend } from "@lease/sqlite";
import { play } from "./play.js";
import { Receiver } from "./receiver.js";
import { type Count, count, countEvents, printTable, problems } from "./report.js";
import { EDITS_EACH, FILES, TTL_MS, WORKERS } from "./scenario.js";

const folder = mkdtempSync(join(tmpdir(), "lease-demo-"));
const leasesPath = join(folder, "leases.db");
const receiverPath = join(folder, "receiver.db");

const interruption = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(name, () => interruption.abort(name));
}

async function playOnFiles(name: string, withLeases: boolean): Promise<Count> {
  const root = join(folder, name);
  mkdirSync(root);
  for (const file of FILES) writeFileSync(join(root, file), "");
  const say = (line: string) => console.log(`  ${line}`);
  const { signal } = interruption;
  const outcome = await play({ withLeases, root, leasesPath, receiverPath, say, signal });
  signal.throwIfAborted();
  const counted = count(outcome, root);
  say(`${outcome.acknowledged.length} edits acknowledged, ${counted.lost} of them lost`);
  return counted;
}

async function demo(): Promise<void> {
  const backend = sqliteBackend({ path: leasesPath });
  // Makes the file; and where this Node is too old for the driver, says so before anything loads that.
  await backend.list({});
  console.log(`${WORKERS} processes, ${EDITS_EACH} edits each on ${FILES.join(", ")} in ${folder}`);
  console.log("\nWithout leases: read, work a few milliseconds, write.");
  const without = await playOnFiles("without", false);

  console.log(`\nWith leases of ${TTL_MS} ms: acquire, read, work, ask, write with the fencing token.`);
  Receiver.create(receiverPath);
  const withLeases = await playOnFiles("with", true);

  const events = await countEvents(backend);
  await backend.close();
  console.log();
  printTable(without, withLeases, events);
  const found = problems(without, withLeases);
  for (const problem of found) console.error(problem);
  if (found.length === 0) console.log(`Lost without leases: ${without.lost}. Lost with leases: 0.`);
  else process.exitCode = 1;
}

try {
  await demo();
} catch (error) {
  if (interruption.signal.aborted) {
    process.exitCode = 128 + constants.signals[interruption.signal.reason as NodeJS.Signals];
  } else {
    // What Lease says is for people to read; anything else is for who looks into it.
    console.error(isLeaseError(error) ? error.message : error);
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
