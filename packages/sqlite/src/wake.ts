/**
 * Notices that another process committed, while a call here waits for that and at no other time.
 *
 * A commit ends with a write to the log file, so those that follow the history watch that; but the event can come
 * before SQLite lets the commit be seen, mostly by microseconds, so it is followed by a few checks, some at once and some
 * later. Queued requests are called instead, after the commit of the step that ended a lease: writes that wake others
 * in the middle of a commit also make it last several times as long. A slow poll makes up for lost events, and a fast one
 * for a system that cannot watch. A check is `PRAGMA data_version`, which moves with other connections'
 * commits only.
 */
import { type FSWatcher, statSync, utimesSync, watch } from "node:fs";
import { isBusy } from "./errors.js";

/**
 * Which file gets a new time to call queued requests, once a commit can be seen: the database, which commits do not
 * write to, or else the log. On Linux a watch opens no file, elsewhere it would and must not open the database. And only
 * the owner may set a time, so no other user may be able to write.
 */
export function fileToCallWith(database: string, log: string): string {
  const othersMayWrite = (statSync(database).mode & 0o022) !== 0;
  return process.platform === "linux" && !othersMayWrite ? database : log;
}

/** Calls those who watch the file: a new time is an event like a write. */
export function callWatchers(path: string): void {
  const now = Date.now() / 1000;
  try {
    utimesSync(path, now, now);
  } catch {
    // Another user's, for instance: they find the commit with their later checks.
  }
}

export interface WakeOptions {
  /** The file to watch. */
  readonly path: string;
  /** A number that changes when another connection commits. */
  readonly version: () => number;
  /** Another connection committed. */
  readonly onForeignCommit: () => void;
  /** Every now and then while a call waits. */
  readonly onPoll?: () => void;
  /** Whether to keep no process alive. Default `false`. */
  readonly background?: boolean;
  /** For tests. */
  readonly watchFile?: typeof watch;
}

/** Between the checks after an event: the first comes at once, the others in the next turn and 1, 3 and 8 ms later. */
const PAUSES_MS = [0, 1, 2, 5] as const;
const SLOW_POLL_MS = 100;
const FAST_POLL_MS = 2;

export class Wake {
  readonly #options: WakeOptions;
  #waiting = 0;
  #version = 0;
  #watcher: FSWatcher | undefined;
  #poll: NodeJS.Timeout | undefined;
  /** How many of the pauses since the last event began. */
  #pauses = 0;
  #nextTurn: NodeJS.Immediate | undefined;
  #later: NodeJS.Timeout | undefined;

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
    clearTimeout(this.#later);
    clearImmediate(this.#nextTurn);
    this.#nextTurn = undefined;
  }

  #start(): void {
    const { version, path, watchFile = watch } = this.#options;
    try {
      this.#version = version();
    } catch {
      // Busy, or something is wrong with the file: a check that succeeds takes whatever it finds for news.
      this.#version = Number.NaN;
    }
    try {
      this.#watcher = watchFile(path, () => this.#onEvent());
      this.#watcher.on("error", () => this.#pollEvery(FAST_POLL_MS));
      if (this.#options.background === true) this.#watcher.unref();
      this.#pollEvery(SLOW_POLL_MS);
    } catch {
      // No watches left, or a file system that has none.
      this.#pollEvery(FAST_POLL_MS);
    }
  }

  #pollEvery(intervalMs: number): void {
    clearInterval(this.#poll);
    this.#poll = setInterval(() => {
      this.#options.onPoll?.();
      this.#check();
    }, intervalMs);
    if (this.#options.background === true) this.#poll.unref();
  }

  #onEvent(): void {
    // A commit brings an event for every page that it writes, and only after the last one can it be seen.
    this.#pauses = 0;
    if (this.#nextTurn === undefined) this.#follow();
  }

  readonly #follow = (): void => {
    clearTimeout(this.#later);
    this.#nextTurn = undefined;
    this.#check();
    const pauseMs = PAUSES_MS[this.#pauses];
    this.#pauses += 1;
    if (pauseMs === undefined || this.#waiting === 0) return;
    if (pauseMs === 0) this.#nextTurn = setImmediate(this.#follow);
    else this.#later = setTimeout(this.#follow, pauseMs);
    if (this.#options.background === true) this.#later?.unref();
  };

  #check(): void {
    try {
      const version = this.#options.version();
      if (version === this.#version) return;
      this.#version = version;
    } catch (error) {
      // What is wrong with the file is for the next call of each waiter to say: wake them.
      if (isBusy(error)) return;
    }
    this.#options.onForeignCommit();
  }
}
