/** Hears notifications: one connection a backend, opened for its first waiter or follower, and opened again when it breaks. */
import { type Link, type OpenLink, within } from "./links.js";

/** A silent server may have nothing to say, or hang: asked this often, one that owes the answer is given up. */
const PULSE_MS = 2_000;
const RECONNECT_FIRST_MS = 50;
const RECONNECT_MOST_MS = 2_000;

export interface ListenerOptions {
  /** `null` where nothing can be heard. */
  readonly open: OpenLink | null;
  readonly timeoutMs: number;
  readonly onNotification: (channel: string, payload: string) => void;
  /** It begins to hear, or hears no longer: what was notified in between was missed. */
  readonly onChange: () => void;
}

export class Listener {
  readonly #options: ListenerOptions;
  readonly #channels = new Set<string>();
  #link: Link | undefined;
  #started = false;
  #closed = false;
  #failures = 0;
  #retry: NodeJS.Timeout | undefined;
  #pulse: NodeJS.Timeout | undefined;
  #generations = 0;
  /** Counts the connections so far; 0 while there is none. */
  generation = 0;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** Listens on a channel from now on, or as soon as there is a connection. */
  listen(channel: string): void {
    if (this.#channels.has(channel)) return;
    this.#channels.add(channel);
    if (this.#options.open === null || this.#closed) return;
    if (!this.#started) {
      this.#started = true;
      void this.#connect();
    } else if (this.generation > 0) {
      const link = this.#link as Link;
      link.client.query(`LISTEN ${channel}`).then(
        () => this.#options.onChange(),
        () => this.#lost(link),
      );
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    clearInterval(this.#pulse);
    this.#link?.destroy();
  }

  async #connect(): Promise<void> {
    const { open, timeoutMs } = this.#options;
    let link: Link | undefined;
    try {
      link = await (open as OpenLink)(timeoutMs);
      const opened = link;
      this.#link = link;
      link.client.on("notification", ({ channel, payload }) => {
        if (this.#link === opened) this.#options.onNotification(channel, payload ?? "");
      });
      link.client.on("error", () => this.#lost(opened));
      link.client.on("end", () => this.#lost(opened));
      for (const channel of this.#channels) {
        await within(timeoutMs, link.client.query(`LISTEN ${channel}`), () => {});
      }
    } catch {
      if (link === undefined) this.#again();
      else this.#lost(link);
      return;
    }
    if (this.#closed || this.#link !== link) return link.destroy();
    const listening = link;
    this.#pulse = setInterval(() => {
      within(PULSE_MS, listening.client.query("SELECT 1"), () => {}).catch(() => this.#lost(listening));
    }, PULSE_MS);
    this.#failures = 0;
    this.#generations += 1;
    this.generation = this.#generations;
    this.#options.onChange();
  }

  #lost(link: Link): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    clearInterval(this.#pulse);
    link.destroy();
    const heard = this.generation > 0;
    this.generation = 0;
    this.#again();
    if (heard && !this.#closed) this.#options.onChange();
  }

  #again(): void {
    if (this.#closed) return;
    this.#failures += 1;
    const delay = Math.min(RECONNECT_FIRST_MS * 2 ** Math.min(this.#failures - 1, 10), RECONNECT_MOST_MS);
    this.#retry = setTimeout(() => void this.#connect(), delay * (0.5 + Math.random() / 2));
  }
}
