/**
 * Room kept back on the disk, in a file beside the database. When the disk is full, new leases are refused, and this
 * room lets what is held still be renewed and released: given up, it is what the log needs to be written back into
 * the database, after which the log itself can start again from nothing.
 */
import { randomFillSync } from "node:crypto";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { OWNER_ONLY, statOf } from "./files.js";

/** As much as the log holds before it is written back: a thousand pages. */
const RESERVE_BYTES = 4 * 1024 * 1024;
/** Longer than compressors look back. */
const BLOCK_BYTES = 256 * 1024;
const TRY_AGAIN_MS = 1000;

export class Reserve {
  readonly #path: string;
  #isWhole = false;
  #triedAt = Number.NEGATIVE_INFINITY;

  constructor(path: string) {
    this.#path = path;
  }

  /** Whether the room is there, or could be had just now. */
  isWhole(): boolean {
    if (this.#isWhole || performance.now() - this.#triedAt < TRY_AGAIN_MS) return this.#isWhole;
    this.#triedAt = performance.now();
    try {
      const found = statOf(this.#path);
      if (found?.isFile() !== true || found.size < RESERVE_BYTES) this.#fill();
      this.#isWhole = true;
    } catch {
      this.#remove();
    }
    return this.#isWhole;
  }

  /** Gives the room to the next write. */
  spend(): void {
    this.#isWhole = false;
    this.#triedAt = performance.now();
    this.#remove();
  }

  #fill(): void {
    const file = openSync(this.#path, "w", OWNER_ONLY);
    try {
      // Random, since a file system that compresses would keep no room for zeros.
      const block = randomFillSync(Buffer.allocUnsafe(BLOCK_BYTES));
      for (let written = 0; written < RESERVE_BYTES; ) written += writeSync(file, block);
    } finally {
      closeSync(file);
    }
  }

  #remove(): void {
    try {
      rmSync(this.#path, { force: true });
    } catch {
      // Not ours to remove, such as a folder of that name: there is no reserve then, and new leases are refused.
    }
  }
}
