/** Where the log goes: standard error, late by a tenth of a second at most. */
import { type DestinationStream, destination } from "pino";

/** As many characters are written together: every line would pay for a write of its own. */
const TOGETHER = 4096;
const LATEST_MS = 100;

/**
 * Gathers lines and writes them together. At exit, and before a fatal error, what is gathered is written at once.
 *
 * pino's own gathering (`minLength`) measures all that it has gathered with every line, which cost more than the line.
 */
export function logDestination(): DestinationStream & { flushSync(): void } {
  const out = destination({ fd: 2, sync: false });
  let gathered = "";
  const pass = () => {
    if (gathered === "") return;
    out.write(gathered);
    gathered = "";
  };
  const flushSync = () => {
    pass();
    out.flushSync();
  };
  setInterval(pass, LATEST_MS).unref();
  process.on("exit", flushSync);
  return {
    write(line) {
      gathered += line;
      if (gathered.length >= TOGETHER) pass();
    },
    // pino calls it before a fatal error.
    flushSync,
  };
}
