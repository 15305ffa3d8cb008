/**
 * Events as lines of a file: newline-delimited JSON, one CloudEvent a line.
 *
 * Guarantees: a line is whole or, after a crash, cut off when the file is next opened; with `fsync: "batch"` the cursor
 * moves past an event only once its line is on the disk. Does not guarantee: a line only once (a crash between write and
 * cursor repeats a batch); anything when two routers write to one file, or when somebody else rotates it.
 *
 * Own code, because the streams that npm offers for rotation (rotating-file-stream, pino-roll) do not say when a line is on
 * the disk, and the cursor hangs on that.
 */
import { checkNumber, invalid } from "./invalid.js";
import { RotatingFile } from "./rotating-file.js";
import type { Sink } from "./sink.js";

/** The file, and when it is rotated and flushed. */
export interface NdjsonSinkOptions {
  /** The file, for example `events.ndjson`; its folder is made if it is not there. */
  readonly path: string;
  /**
   * A file that a line would make larger than this is put away as `events.000001.ndjson`, `events.000002.ndjson` … and
   * a new one begun. Default 64 MiB.
   */
  readonly maxBytes?: number;
  /** How many files put away are kept; the oldest are deleted. Default: all of them. */
  readonly maxFiles?: number;
  /**
   * `"batch"` (the default): what was written is synced before the cursor moves on, so it outlives a power cut.
   * `"never"`: that is left to the system; it outlives a crash of the process only.
   */
  readonly fsync?: "batch" | "never";
}

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;

/** A sync costs milliseconds: this many events share one. */
const MAX_BATCH = 128;

/** Appends events to a file. */
export function ndjsonSink(options: NdjsonSinkOptions): Sink {
  const {
    path,
    maxBytes = DEFAULT_MAX_BYTES,
    maxFiles = Number.POSITIVE_INFINITY,
    fsync = "batch",
  } = options;
  if (path === "") throw invalid("path", "must name a file");
  checkNumber(maxBytes, "maxBytes", 1);
  checkNumber(maxFiles, "maxFiles", 0);
  if (fsync !== "batch" && fsync !== "never") throw invalid("fsync", "must be batch or never");
  const file = new RotatingFile(path, { maxBytes, maxFiles, sync: fsync === "batch" });
  return {
    maxBatch: MAX_BATCH,
    deliver: (batch) => file.append(batch.map(({ cloudEvent }) => `${JSON.stringify(cloudEvent)}\n`)),
    close: () => file.close(),
  };
}
