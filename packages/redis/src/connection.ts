/**
 * One connection for scripts. Every call ends within its bound: with an answer, or saying whether it may have been
 * carried out. Nothing is ever sent twice.
 */
import { isLeaseError, type LeaseError } from "@lease/core";
import { closed } from "@lease/core/backend";
import type { Client, ClientFactory } from "./clients.js";
import { type Binary, numberAt } from "./codec.js";
import { encodeCall, encodePrefix, ScriptCommand } from "./command.js";
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
import { inspect, isLoading, Unanswered } from "./inspect.js";
import type { Script } from "./scripts/load.js";

/** What scripts answer, in bytes: lengths in records count them. */
export type Answer = Buffer | number | readonly Answer[];

/** What a script answered, and the server's time then. */
export interface Answered {
  readonly now: number;
  readonly answers: readonly Answer[];
}

/** Each answer begins with the number of its call, and the time. */
const STAMP_WIDTH = 4 + 6;

export interface ConnectionOptions {
  readonly clients: ClientFactory;
  readonly keys: readonly string[];
  /** The bound of a call. */
  readonly timeoutMs: number;
  readonly allowEviction: boolean;
}

const CLOSE_WITHIN_MS = 1_000;
/** While calls wait for a connection that could not be inspected, it is inspected again this often. */
const INSPECT_EVERY_MS = 100;

/** A script call. */
interface Call {
  readonly script: Script;
  readonly args: readonly Binary[];
  /** When its time is over, on the monotonic clock. */
  readonly until: number;
  readonly resolve: (answered: Answered) => void;
  readonly reject: (error: unknown) => void;
}

export class Connection {
  readonly #options: ConnectionOptions;
  #client: Client | undefined;
  /** Connected, and found to be a Redis that keeps what it is given. */
  #usable = false;
  #inspecting = false;
  #refusal: LeaseError | undefined;
  #lastError: unknown;
  readonly #prefixes = new Map<Script, Binary>();
  #calls = 0;
  /** Called for each connection but the first. */
  #onReplaced: () => void = () => {};
  #connections = 0;
  readonly #waiting = new Set<() => void>();
  /** Sent, and neither answered nor given up. */
  readonly #underWay = new Set<Call>();
  #watching: NodeJS.Timeout | undefined;
  #watchedUntil = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /**
   * Runs a script on the keys of the namespace.
   *
   * @throws `BACKEND_UNAVAILABLE` (nothing was sent), `OUTCOME_UNKNOWN` (no answer), `CLOSED`, and what the server said
   */
  run(script: Script, args: readonly Binary[]): Promise<Answered> {
    return new Promise((resolve, reject) => {
      const call: Call = {
        script,
        args,
        until: performance.now() + this.#options.timeoutMs,
        resolve,
        reject: (error) => reject(this.#closed ? closed("redis") : toLeaseError(error)),
      };
      if (this.#usable && !this.#closed) this.#send(this.#client as Client, call);
      else void this.#sendOnce(call);
    });
  }

  /** Sends a call as soon as there is a connection. */
  async #sendOnce(call: Call): Promise<void> {
    try {
      await this.#untilUsable(call.until);
    } catch (error) {
      return call.reject(error);
    }
    this.#send(this.#client as Client, call);
  }

  /** The client for scripts, once it can be used. */
  async client(): Promise<Client> {
    await this.#untilUsable(performance.now() + this.#options.timeoutMs);
    return this.#client as Client;
  }

  /**
   * Calls `listener` when this connection was lost and replaced: perhaps there is a new master, and the old one, to
   * which other connections lead, hangs. (The connections to the nodes of a cluster come and go on their own.)
   */
  onReplaced(listener: () => void): void {
    this.#onReplaced = listener;
  }

  /** Waits a moment for what is under way, then gives the connection back; what is left ends with `CLOSED`. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#notify();
    const until = performance.now() + CLOSE_WITHIN_MS;
    while (this.#usable && this.#underWay.size > 0 && performance.now() < until) {
      await this.#change(until - performance.now());
    }
    clearTimeout(this.#watching);
    this.#client?.disconnect();
    for (const call of this.#underWay) call.reject(undefined);
  }

  #send(client: Client, call: Call): void {
    const { keys } = this.#options;
    const { script, args } = call;
    this.#calls = (this.#calls + 1) >>> 0;
    const number = this.#calls;
    this.#underWay.add(call);
    this.#watch(call);
    const settle = () => {
      this.#underWay.delete(call);
      if (this.#underWay.size === 0 && this.#closed) this.#notify();
    };
    const answered = (answer: unknown) => {
      settle();
      const first = Array.isArray(answer) ? answer[0] : answer;
      if (!Buffer.isBuffer(first) || numberAt(first, 0, 4) !== number) {
        // The reply of another call: this connection has lost one, and all that it still brings are of others.
        client.disconnect(true);
        return call.reject(outcomeUnknown(undefined));
      }
      const answers = Array.isArray(answer) ? answer.slice(1) : [first.subarray(STAMP_WIDTH)];
      call.resolve({ now: numberAt(first, 4, 6), answers });
    };
    const failed = (error: unknown) => {
      settle();
      if (!isNotSent(error)) return call.reject(error);
      // The connection is about to close: on the next one it is sent for the first time.
      this.#usable = false;
      void this.#sendOnce(call);
    };
    const send = (name: "evalsha" | "eval", prefix: Binary, onError: (error: unknown) => void) => {
      const buffer = encodeCall(prefix, 3 + keys.length, number, args);
      void client.sendCommand(new ScriptCommand(name, buffer, keys, answered, onError).asCommand);
    };
    send("evalsha", this.#prefixOf(script), (error) => {
      if (!isNoScript(error)) return failed(error);
      send("eval", encodePrefix("eval", script.text, keys), failed);
    });
  }

  #prefixOf(script: Script): Binary {
    let prefix = this.#prefixes.get(script);
    if (prefix === undefined) {
      prefix = encodePrefix("evalsha", script.sha, this.#options.keys);
      this.#prefixes.set(script, prefix);
    }
    return prefix;
  }

  /**
   * Sees to it that a call is given up when its time is over. One timer for all of them, which goes on to the next, in
   * place of one that is set and taken back for each.
   */
  #watch({ until }: Call): void {
    if (until >= this.#watchedUntil) return;
    clearTimeout(this.#watching);
    this.#watchedUntil = until;
    this.#watching = setTimeout(() => this.#giveUpLate(), Math.max(1, until - performance.now()));
  }

  #giveUpLate(): void {
    this.#watchedUntil = Number.POSITIVE_INFINITY;
    const now = performance.now();
    for (const call of this.#underWay) {
      if (call.until > now) {
        this.#watch(call);
      } else {
        this.#underWay.delete(call);
        this.#giveUp(this.#client as Client);
        call.reject(outcomeUnknown(undefined));
      }
    }
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
    // It may have been corrected since.
    this.#refusal = undefined;
    while (!this.#usable) {
      if (this.#closed) throw closed("redis");
      const leftMs = until - performance.now();
      if (leftMs <= 0) throw unavailable(this.#lastError);
      if (client.status === "ready") void this.#inspect(client);
      await this.#change(Math.min(leftMs, INSPECT_EVERY_MS));
      if (this.#refusal !== undefined) throw this.#refusal;
    }
    if (this.#closed) throw closed("redis");
  }

  #open(): Client {
    if (this.#closed) throw closed("redis");
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

  /** ioredis waits until a server has loaded its data, and does not say why. */
  async #noticeLoading(client: Client): Promise<void> {
    try {
      if (await isLoading(client, this.#options.timeoutMs)) this.#lastError = loading();
    } catch (error) {
      this.#lastError ??= error;
      this.#replaceUnanswered(client, error);
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
      this.#replaceUnanswered(client, error);
      const refusal = toLeaseError(error);
      if (isLeaseError(refusal, "BACKEND_INCOMPATIBLE")) this.#refuse(refusal);
    } finally {
      this.#inspecting = false;
    }
  }

  /** A connection that does not even answer the first question, and that may never close, gives way to another. */
  #replaceUnanswered(client: Client, error: unknown): void {
    if (error instanceof Unanswered && !client.isCluster && !this.#closed) client.disconnect(true);
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
