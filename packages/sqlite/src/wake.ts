/**
 * Notices that another process committed, while somebody here waits for that and at no other time.
 *
 * A commit ends with a write to the log file, so whoever follows the history watches that; but the event can come
 * before SQLite lets the commit be seen, mostly by microseconds, so a few more looks follow it, some at once and some
 * later. Whoever stands in line is called instead, after the commit of whoever ended a lease: writes that wake others
 * in the middle of a commit also make it last several times as long. A slow poll
 * stands in for events that get lost, and a fast one for a system that cannot watch. A look is `PRAGMA data_version`,
 * which moves with other connections' commits only.
 */
import { type FSWatcher, utimesSync, watch } from "node:fs";
import { isBusy } from "./errors.js";

/** Calls those who watch the file: a new time is an event like a write. */
export function callWatchers(path: string): void {
  const now = Date.now() / 1000;
  try {
    utimesSync(path, now, now);
  } catch {
    // Another user's, for instance: they find the commit with their later looks.
  }
}

export interface WakeOptions {
  /** The file to watch. */
  readonly path: string;
  /** A number that changes when another connection commits. */
  readonly version: () => number;
  /** Another connection committed. */
  readonly onForeignCommit: () => void;
  /** Every now and then while somebody waits. */
  readonly onPoll: () => void;
  /** For tests. */
  readonly watchFile?: typeof watch;
}

/** Looks after an event in as many turns of the event loop, until one finds something. */
const LOOKS_AT_ONCE = 2;
/** Pauses before the looks that follow these: 1, 3 and 8 ms after the event. */
const PAUSES_MS = [1, 2, 5] as const;
const SLOW_POLL_MS = 100;
const FAST_POLL_MS = 2;

export class Wake {
  readonly #options: WakeOptions;
  #waiting = 0;
  #version = 0;
  #watcher: FSWatcher | undefined;
  #poll: NodeJS.Timeout | undefined;
  #next: NodeJS.Timeout | undefined;
  #looks = 0;
  #immediate: NodeJS.Immediate | undefined;
  #atOnce = 0;

  constructor(options: WakeOptions) {
    this.#options = options;
  }

  /** Keeps watch until the returned function is called. What is committed after this call is not missed. */
  retain(): () => void {
    this.#waiting += 1;
    if (this.#waiting === 1) this.#start();
    let done = false;
    return () => {
      if (done) return;
      done = true;
      this.#waiting -= 1;
      if (this.#waiting === 0) this.stop();
    };
  }

  stop(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    clearInterval(this.#poll);
    clearTimeout(this.#next);
    this.#next = undefined;
    clearImmediate(this.#immediate);
    this.#immediate = undefined;
  }

  #start(): void {
    try {
      this.#version = this.#options.version();
    } catch {
      // Busy, or something is wrong with the file: a look that succeeds takes whatever it finds for news.
      this.#version = Number.NaN;
    }
    try {
      this.#watcher = (this.#options.watchFile ?? watch)(this.#options.path, () => this.#onEvent());
      this.#watcher.on("error", () => this.#pollEvery(FAST_POLL_MS));
      this.#pollEvery(SLOW_POLL_MS);
    } catch {
      // No watches left, or a file system that has none.
      this.#pollEvery(FAST_POLL_MS);
    }
  }

  #pollEvery(intervalMs: number): void {
    clearInterval(this.#poll);
    this.#poll = setInterval(() => {
      this.#options.onPoll();
      this.#look();
    }, intervalMs);
  }

  #onEvent(): void {
    // A commit brings an event for every page that it writes, and only after the last one can it be seen.
    this.#atOnce = LOOKS_AT_ONCE;
    if (this.#immediate === undefined) this.#lookAtOnce();
    // In a busy log the later looks of the first event are those of the others too.
    if (this.#next !== undefined && this.#looks === 0) return;
    clearTimeout(this.#next);
    this.#looks = 0;
    this.#lookLater();
  }

  readonly #lookAtOnce = (): void => {
    this.#immediate = undefined;
    this.#atOnce -= 1;
    if (this.#look()) this.#atOnce = 0;
    if (this.#atOnce > 0 && this.#waiting > 0) this.#immediate = setImmediate(this.#lookAtOnce);
  };

  #lookLater(): void {
    this.#next = setTimeout(() => {
      this.#next = undefined;
      this.#look();
      this.#looks += 1;
      if (this.#looks < PAUSES_MS.length && this.#waiting > 0) this.#lookLater();
    }, PAUSES_MS[this.#looks]);
  }

  /** Whether it found something. */
  #look(): boolean {
    try {
      const version = this.#options.version();
      if (version === this.#version) return false;
      this.#version = version;
    } catch (error) {
      // What is wrong with the file is for the next call of each waiter to say: wake them.
      if (isBusy(error)) return false;
    }
    this.#options.onForeignCommit();
    return true;
  }
}
