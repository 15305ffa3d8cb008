/** A webhook receiver on a free loopback port, which verifies what it gets with the library that receivers use. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { LeaseEvent } from "@lease/core";
import { type CloudEventV1, HTTP } from "cloudevents";
import { Webhook } from "standardwebhooks";
import type { TestContext } from "vitest";

export const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

export interface Received {
  readonly event: CloudEventV1<LeaseEvent>;
  readonly headers: IncomingHttpHeaders;
}

type Answer = (response: ServerResponse, count: number) => void;

export class Receiver {
  readonly received: Received[] = [];
  /** Signatures that did not verify. */
  readonly unverified: unknown[] = [];
  answer: Answer = (response) => void response.writeHead(204).end();
  #server: Server | null = null;
  #port = 0;

  static async start({ onTestFinished }: Pick<TestContext, "onTestFinished">): Promise<Receiver> {
    const receiver = new Receiver();
    await receiver.up();
    onTestFinished(() => receiver.down());
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/hook`;
  }

  get cursors(): string[] {
    return this.received.map(({ event }) => event.id);
  }

  /** Listens, again on the same port. */
  async up(): Promise<void> {
    const server = createServer(async (request, response) => {
      const body = await text(request);
      try {
        const payload = new Webhook(SECRET).verify(body, request.headers as Record<string, string>);
        const event = HTTP.toEvent<LeaseEvent>({
          headers: request.headers,
          body: payload,
        }) as CloudEventV1<LeaseEvent>;
        this.received.push({ event, headers: request.headers });
      } catch (error) {
        this.unverified.push(error);
      }
      this.answer(response, this.received.length);
    });
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Refuses connections, and breaks those that there are. */
  async down(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  }
}
