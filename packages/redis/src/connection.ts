/**
 * One connection for scripts. Every call ends within its bound: with an answer, or saying whether it may have been
 * carried out. Nothing is ever sent twice.
 */
import { createHash } from "node:crypto";
import { LeaseError } from "@lease/core";
import type { Cluster } from "ioredis";
import type { Client, ClientFactory } from "./clients.js";
import {
  isLasting,
  isNoScript,
  isNotSent,
  loading,
  ofNode,
  outcomeUnknown,
  toLeaseError,
  unavailable,
} from "./errors.js";
import { inspect, isLoading } from "./inspect.js";

export interface Script {
  readonly text: string;
  readonly sha: string;
}

export function script(text: string): Script {
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

export type ScriptArgument = string | number | Buffer;

/** What scripts answer, in bytes: lengths in records count them. */
export type Answer = Buffer | number | readonly Answer[];

export interface ConnectionOptions {
  readonly clients: ClientFactory;
  readonly keys: readonly string[];
  /** The bound of a call. */
  readonly timeoutMs: number;
  readonly allowEviction: boolean;
}

const CLOSE_WITHIN_MS = 1_000;
/** Who waits for a connection that is there and could not be inspected has it tried again this often. */
const INSPECT_EVERY_MS = 100;

export class Connection {
  readonly #options: ConnectionOptions;
  #client: Client | undefined;
  /** Connected, and found to be a Redis that keeps what it is given. */
  #usable = false;
  #inspecting = false;
  #refusal: LeaseError | undefined;
  #lastError: unknown;
  /** Told of each connection but the first. */
  #onReplaced: () => void = () => {};
  #connections = 0;
  readonly #waiting = new Set<() => void>();
  /** Scripts that were sent, and neither answered nor given up by ioredis. */
  #underWay = 0;
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /**
   * Runs a script on the keys of the namespace.
   *
   * @throws `BACKEND_UNAVAILABLE` (nothing was sent), `OUTCOME_UNKNOWN` (no answer), `CLOSED`, and what the server said
   */
  async run(script: Script, args: readonly ScriptArgument[]): Promise<Answer> {
    const until = performance.now() + this.#options.timeoutMs;
    try {
      for (;;) {
        if (!this.#usable || this.#closed) await this.#untilUsable(until);
        try {
          return await this.#send(this.#client as Client, script, args, until);
        } catch (error) {
          // The connection is about to close: on the next one it is sent for the first time.
          if (!isNotSent(error)) throw error;
          this.#usable = false;
        }
      }
    } catch (error) {
      throw this.#closed ? closed() : toLeaseError(error);
    }
  }

  /** The client for scripts, once it can be used. */
  async client(): Promise<Client> {
    await this.#untilUsable(performance.now() + this.#options.timeoutMs);
    return this.#client as Client;
  }

  /**
   * Who listens elsewhere wants to know that this connection was lost and replaced: perhaps there is a new master, and
   * the old one hangs. (The connections to the nodes of a cluster come and go by themselves.)
   */
  onReplaced(listener: () => void): void {
    this.#onReplaced = listener;
  }

  /** Waits a moment for what is under way, then gives the connection back. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#notify();
    const until = performance.now() + CLOSE_WITHIN_MS;
    while (this.#usable && this.#underWay > 0 && performance.now() < until) {
      await this.#change(until - performance.now());
    }
    this.#client?.disconnect();
  }

  #send(client: Client, script: Script, args: readonly ScriptArgument[], until: number): Promise<Answer> {
    const { keys } = this.#options;
    return new Promise((resolve, reject) => {
      this.#underWay += 1;
      const settle = () => {
        clearTimeout(timer);
        this.#underWay -= 1;
        if (this.#underWay === 0 && this.#closed) this.#notify();
      };
      const answered = (answer: unknown) => {
        settle();
        resolve(answer as Answer);
      };
      const failed = (error: unknown) => {
        settle();
        reject(error);
      };
      const timer = setTimeout(
        () => {
          this.#giveUp(client);
          reject(outcomeUnknown(undefined));
        },
        Math.max(1, until - performance.now()),
      );
      client.callBuffer("evalsha", script.sha, keys.length, ...keys, ...args).then(answered, (error) => {
        if (!isNoScript(error)) return failed(error);
        client.callBuffer("eval", script.text, keys.length, ...keys, ...args).then(answered, failed);
      });
    });
  }

  /**
   * A connection that owes an answer for so long is not asked again. (Of a cluster only one node may be at fault:
   * there `socketTimeout` gives up that node's connection.)
   */
  #giveUp(client: Client): void {
    if (client.isCluster || client.status !== "ready") return;
    this.#usable = false;
    client.disconnect(true);
  }

  async #untilUsable(until: number): Promise<void> {
    const client = this.#open();
    // Somebody may have corrected it.
    this.#refusal = undefined;
    while (!this.#usable) {
      if (this.#closed) throw closed();
      const leftMs = until - performance.now();
      if (leftMs <= 0) throw unavailable(this.#lastError);
      if (client.status === "ready") void this.#inspect(client);
      await this.#change(Math.min(leftMs, INSPECT_EVERY_MS));
      if (this.#refusal !== undefined) throw this.#refusal;
    }
    if (this.#closed) throw closed();
  }

  #open(): Client {
    if (this.#closed) throw closed();
    if (this.#client === undefined) {
      const client = this.#options.clients.commands();
      client.on("error", (thrown: Error) => {
        const error = ofNode(thrown);
        this.#lastError = error;
        if (isLasting(error)) this.#refuse(toLeaseError(error) as LeaseError);
      });
      client.on("connect", () => void this.#noticeLoading(client));
      client.on("ready", () => {
        this.#connections += 1;
        if (this.#connections > 1) this.#onReplaced();
        void this.#inspect(client);
      });
      for (const event of ["close", "end"]) {
        client.on(event, () => {
          this.#usable = false;
        });
      }
      this.#client = client;
    }
    const { status } = this.#client;
    if (status === "wait" || status === "end") {
      this.#client.connect().catch((error: unknown) => {
        this.#lastError ??= error;
      });
    }
    return this.#client;
  }

  /** ioredis waits until a server has loaded its data, and tells nobody why. */
  async #noticeLoading(client: Client): Promise<void> {
    try {
      if (await isLoading(client)) this.#lastError = loading();
    } catch (error) {
      this.#lastError ??= error;
    }
  }

  async #inspect(client: Client): Promise<void> {
    if (this.#inspecting) return;
    this.#inspecting = true;
    try {
      await inspect(client, {
        allowEviction: this.#options.allowEviction,
        withinMs: Math.ceil(this.#options.timeoutMs / 2),
      });
      this.#usable = client.status === "ready";
      this.#lastError = undefined;
      this.#notify();
    } catch (error) {
      this.#lastError = error;
      const told = toLeaseError(error);
      if (told instanceof LeaseError && told.code === "BACKEND_INCOMPATIBLE") this.#refuse(told);
    } finally {
      this.#inspecting = false;
    }
  }

  #refuse(refusal: LeaseError): void {
    this.#usable = false;
    this.#refusal = refusal;
    this.#notify();
  }

  #notify(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #change(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, withinMs);
      this.#waiting.add(wake);
    });
  }
}

export function closed(): LeaseError<"CLOSED"> {
  return new LeaseError("CLOSED", "This Redis backend was closed.");
}

/** The masters of a cluster, or the one server. */
export function mastersOf(client: Client): readonly Pick<Cluster, "info">[] {
  return client.isCluster ? (client as Cluster).nodes("master") : [client];
}
