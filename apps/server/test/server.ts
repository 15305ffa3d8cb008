/** A real server on a free loopback port, for tests. */
import type { AddressInfo } from "node:net";
import { createLeaseId, type LeaseBackend, memoryBackend } from "@lease/core";
import { withMetrics } from "@lease/metrics";
import { pino } from "pino";
import { Registry } from "prom-client";
import { type App, type AppOptions, buildApp } from "../src/app.js";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: what tests look at is what they are about
  readonly body: any;
}

export interface TestServer {
  readonly url: string;
  readonly port: number;
  readonly backend: LeaseBackend;
  readonly app: App;
  /** Sends a request with a JSON body, if any. */
  ask(method: string, path: string, body?: unknown, init?: RequestInit): Promise<Answer>;
  close(): Promise<void>;
}

export async function startServer(options: Partial<AppOptions> = {}): Promise<TestServer> {
  const registry = options.registry ?? new Registry();
  const backend = withMetrics(options.backend ?? memoryBackend(), { registry });
  const logger = options.logger ?? pino({ level: "silent" });
  const app = await buildApp({ ...options, backend, registry, logger });
  await app.http.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.http.server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    port,
    backend,
    app,
    ask: (method, path, body, init = {}) => ask(url, method, path, body, init),
    async close() {
      app.http.server.closeAllConnections();
      await app.close();
      await backend.close();
    },
  };
}

async function ask(
  url: string,
  method: string,
  path: string,
  body: unknown,
  init: RequestInit,
): Promise<Answer> {
  const headers = new Headers(init.headers);
  if (body !== undefined) headers.set("content-type", "application/json");
  const payload = body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) };
  const response = await fetch(`${url}${path}`, { ...init, method, headers, ...payload });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === "" ? null : JSON.parse(text) };
}

/** Tries until a condition holds; fails after half a minute, which nothing here takes. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + 30_000;
  while (!(await holds())) {
    if (performance.now() > giveUpAt) throw new Error("the condition did not come to hold in 30 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export { createLeaseId as newId };
