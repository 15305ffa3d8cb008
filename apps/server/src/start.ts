/** Wires the server together: environment, backend, application, metrics, janitor, monitor, signals. */
import { mkdir } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { openBackend } from "@lease/connect";
import { isLeaseError, type LeaseBackend } from "@lease/core";
import { withMetrics } from "@lease/metrics";
import { gracefulShutdown } from "@lease/shutdown";
import { createJanitor, type Janitor, type Monitor } from "@lease/upkeep";
import { type Logger, pino } from "pino";
import { collectDefaultMetrics, Registry } from "prom-client";
import { type App, buildApp } from "./app.js";
import { type Config, ConfigError, DEFAULT_BACKEND, readConfig } from "./config.js";
import { SERVER_LIMITS } from "./limits.js";
import { logDestination } from "./log.js";
import { reportingMonitor } from "./monitor.js";
import { wayOut } from "./shut-down.js";

/** Starts the server, or says in one line why not and sets the exit code. */
export async function start(): Promise<void> {
  let backend: LeaseBackend | undefined;
  try {
    const config = readConfig(process.env);
    const logger = pino({ level: config.logLevel }, logDestination());
    const registry = new Registry();
    collectDefaultMetrics({ register: registry });
    backend = withMetrics(await open(config.backend), { registry });
    // So that a store that cannot be used is told now, and not to a client.
    await backend.list({ limit: 1 });
    const app = await buildApp({ backend, logger, registry, token: config.token, limits: config.limits });
    await serve(config, backend, app, logger);
  } catch (error) {
    console.error(`lease-server does not start. ${reasonOf(error)}`);
    process.exitCode = 1;
    await backend?.close();
  }
}

async function open(url: string): Promise<LeaseBackend> {
  if (url === DEFAULT_BACKEND) await mkdir("lease-data", { recursive: true, mode: 0o700 });
  return openBackend(url, { durable: true });
}

async function serve(config: Config, backend: LeaseBackend, app: App, logger: Logger): Promise<void> {
  const janitor = createJanitor({
    backend,
    onSweep: ({ expired, pruned }) => logger.info({ expired: expired.length, pruned }, "swept"),
    onError: (error) => logger.warn({ err: error }, "the sweep failed; it is tried again in the next round"),
  });
  const monitor = reportingMonitor(backend, logger, config);
  await app.http.listen({ host: config.host, port: config.port });
  janitor.start();
  monitor.start();
  endOnSignal(config, backend, app, { services: [janitor, monitor], logger });
  console.log(greeting(config, backend, (app.http.server.address() as AddressInfo).port));
}

/** On a signal: drains, sweeps, closes, exits. After an error that nobody caught the same, but for the draining. */
function endOnSignal(
  { drainMs }: Config,
  backend: LeaseBackend,
  app: App,
  { services, logger }: { readonly services: readonly (Janitor | Monitor)[]; readonly logger: Logger },
): void {
  const { closeMs } = SERVER_LIMITS;
  const broken = new AbortController();
  const shutdown = gracefulShutdown({
    server: wayOut(app, backend, { closeMs, hurry: broken.signal }),
    backends: [backend],
    services,
    drainMs,
    timeoutMs: drainMs + 2 * closeMs,
    signals: ["SIGTERM", "SIGINT", "SIGHUP"],
    onPhase({ phase, signal, problems }) {
      if (phase === "stop") logger.info({ signal }, "stopping");
      if (phase !== "exit") return;
      for (const { message, error: err, ...rest } of problems) logger.error({ ...rest, err }, message);
      logger.info("stopped");
    },
    exit: (code) => process.exit(broken.signal.aborted ? 1 : code),
  });
  // Also told of rejections that nobody handled.
  process.on("uncaughtException", (err) => {
    logger.fatal({ err }, "stopping after an error nobody caught");
    if (broken.signal.aborted) process.exit(1);
    broken.abort();
    void shutdown.shutDown();
  });
}

function greeting({ host, token }: Config, backend: LeaseBackend, port: number): string {
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const auth = token === undefined ? "" : ` -H "authorization: Bearer $LEASE_TOKEN"`;
  return `Lease is ready on ${url} (${backend.kind}). Try: curl -s ${url}/v1/leases${auth} -H 'content-type: application/json' -d '{"agentId":"me","resources":["src/app.ts"]}'`;
}

function reasonOf(error: unknown): string {
  if (error instanceof ConfigError || isLeaseError(error)) return error.message;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "EADDRINUSE") return `The port is in use (${message}): set LEASE_PORT to a free port.`;
  return message;
}
