/** Receives the messages about turns: one connection and one channel a backend, opened for its first waiter. */
import type { Redis } from "ioredis";
import { type ClientFactory, reconnectDelayMs } from "./clients.js";
import type { Connection } from "./connection.js";

/** A silent server may have nothing to say, or hang: pinged this often, one that owes the answer is given up. */
const PULSE_MS = 2_000;

export class Subscriber {
  readonly #clients: ClientFactory;
  readonly #connection: Connection;
  readonly #channel: string;
  readonly #onMessage: (message: string) => void;
  readonly #onChange: () => void;
  #client: Redis | undefined;
  #retry: NodeJS.Timeout | undefined;
  #pulse: NodeJS.Timeout | undefined;
  #failures = 0;
  #started = false;
  #closed = false;
  /** Counts the subscriptions so far; 0 while there is none. What was published between two of them was missed. */
  generation = 0;
  #generations = 0;

  constructor(options: {
    readonly clients: ClientFactory;
    readonly connection: Connection;
    readonly channel: string;
    readonly onMessage: (message: string) => void;
    /** A subscription began or ended. */
    readonly onChange: () => void;
  }) {
    this.#clients = options.clients;
    this.#connection = options.connection;
    this.#channel = options.channel;
    this.#onMessage = options.onMessage;
    this.#onChange = options.onChange;
  }

  /** Subscribes, and goes on trying for as long as it is not closed. */
  start(): void {
    if (this.#started || this.#closed) return;
    this.#started = true;
    this.#connection.onReplaced(() => {
      // Also one that is not subscribed yet: it may be of the old master.
      this.#client?.disconnect();
      this.#lost();
    });
    void this.#subscribe();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    clearInterval(this.#pulse);
    this.#client?.disconnect();
  }

  async #subscribe(): Promise<void> {
    let client: Redis | undefined;
    try {
      const commands = await this.#connection.client();
      if (this.#closed) return;
      client = this.#clients.subscriber(commands);
      this.#client = client;
      client.on("error", () => {});
      client.on("message", (_channel: string, message: string) => {
        if (this.#client === client) this.#onMessage(message);
      });
      await client.connect();
      await client.subscribe(this.#channel);
      client.once("close", () => {
        if (this.#client === client) this.#lost();
      });
      if (this.#closed) return client.disconnect();
      if (client.status !== "ready") throw new Error("The connection closed again at once.");
    } catch {
      client?.removeAllListeners("close");
      client?.disconnect();
      this.#again();
      return;
    }
    const subscribed = client;
    this.#pulse = setInterval(() => void subscribed.ping().catch(() => {}), PULSE_MS);
    this.#failures = 0;
    this.#generations += 1;
    this.generation = this.#generations;
    this.#onChange();
  }

  #lost(): void {
    if (this.generation === 0) return;
    this.generation = 0;
    clearInterval(this.#pulse);
    this.#again();
    if (!this.#closed) this.#onChange();
  }

  #again(): void {
    this.#client = undefined;
    if (this.#closed) return;
    this.#failures += 1;
    this.#retry = setTimeout(() => void this.#subscribe(), reconnectDelayMs(this.#failures));
  }
}
