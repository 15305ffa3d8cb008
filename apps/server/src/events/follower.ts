/** One event stream: what is sent to its client, which may read slowly or not at all. */
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { HttpError } from "../problems.js";
import { problemFrame } from "./frames.js";

export interface FollowerOptions {
  /** The most bytes that are kept for a client that does not read them. */
  readonly bufferBytes: number;
  /** How long a client that was cut may take to read what was kept for it. */
  readonly closeMs: number;
}

export class Follower {
  readonly #response: ServerResponse;
  readonly #options: FollowerOptions;
  #over = false;
  /** Whether anything was sent since the last {@link beat}. */
  #busy = true;

  constructor(response: ServerResponse, options: FollowerOptions) {
    this.#response = response;
    this.#options = options;
    response.once("close", () => {
      this.#over = true;
    });
  }

  /** Nothing more is sent: the client left, or the stream ended. */
  get isOver(): boolean {
    return this.#over || this.#response.destroyed;
  }

  /** Sends; a client for which too much is kept already is cut. */
  send(chunk: Buffer | string): void {
    if (this.isOver) return;
    this.#busy = true;
    const kept = this.#response.writableLength;
    if (kept > 0 && kept + chunk.length > this.#options.bufferBytes) this.end(new HttpError("SLOW_READER"));
    else this.#response.write(chunk);
  }

  /** Sends, and resolves when the client has taken it: for what can be read from the store whenever it goes on. */
  async sendSlowly(chunk: string, signal: AbortSignal): Promise<void> {
    if (this.isOver) return;
    this.#busy = true;
    if (this.#response.write(chunk)) return;
    await once(this.#response, "drain", { signal });
  }

  /** Sends a sign of life, unless something else was one since the last. */
  beat(text: string): void {
    if (!this.#busy) this.send(text);
    this.#busy = false;
  }

  /**
   * Ends the stream. What was sent before is still delivered, and each event has its id: the client resumes after the
   * last that it read.
   */
  end(error?: unknown): void {
    if (this.isOver) return;
    this.#over = true;
    this.#response.end(error === undefined ? "" : problemFrame(error));
    const cut = setTimeout(() => this.#response.destroy(), this.#options.closeMs);
    this.#response.once("close", () => clearTimeout(cut));
  }
}
