/** Wires the server together: environment, backend, application, janitor, signals. */
import { mkdir } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { openBackend } from "@lease/connect";
import { createJanitor, isLeaseError, type LeaseBackend } from "@lease/core";
import closeWithGrace from "close-with-grace";
import { destination, type Logger, pino } from "pino";
import { type App, buildApp } from "./app.js";
import { type Config, ConfigError, DEFAULT_BACKEND, readConfig } from "./config.js";
import { SERVER_LIMITS } from "./limits.js";
import { shutDown } from "./shut-down.js";

/** Starts the server, or says in one line why not and sets the exit code. */
export async function start(): Promise<void> {
  let backend: LeaseBackend | undefined;
  try {
    const config = readConfig(process.env);
    const logger = pino({ level: config.logLevel }, destination({ fd: 2, sync: true }));
    backend = await open(config.backend);
    // So that a store that cannot be used is told now, and not to a client.
    await backend.list({ limit: 1 });
    const app = await buildApp({ backend, logger, token: config.token });
    await serve(config, backend, app, logger);
  } catch (error) {
    console.error(`lease-server does not start. ${reasonOf(error)}`);
    process.exitCode = 1;
    await backend?.close();
  }
}

async function open(url: string): Promise<LeaseBackend> {
  if (url === DEFAULT_BACKEND) await mkdir("lease-data", { recursive: true });
  return openBackend(url, { durable: true });
}

async function serve(config: Config, backend: LeaseBackend, app: App, logger: Logger): Promise<void> {
  const janitor = createJanitor({
    backend,
    onSweep: ({ expired, pruned }) => logger.info({ expired: expired.length, pruned }, "swept"),
    onError: (error) => logger.warn({ err: error }, "the sweep failed; the next comes all the same"),
  });
  await app.http.listen({ host: config.host, port: config.port });
  janitor.start();

  const { closeMs } = SERVER_LIMITS;
  // The outer bound is for a shutdown that hangs: it exits with 1.
  const delay = config.drainMs + 2 * closeMs;
  closeWithGrace({ delay, logger: { error: (error) => logger.error(error) } }, async ({ signal, err }) => {
    if (err) logger.fatal({ err }, "stopping after an error nobody caught");
    else logger.info({ signal }, "stopping");
    await Promise.all([
      janitor.stop(),
      shutDown(app, backend, { drainMs: err ? 0 : config.drainMs, closeMs }),
    ]);
    await backend.close();
    logger.info("stopped");
  });

  console.log(greeting(config, backend, (app.http.server.address() as AddressInfo).port));
}

function greeting({ host, token }: Config, backend: LeaseBackend, port: number): string {
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const auth = token === undefined ? "" : ` -H "authorization: Bearer $LEASE_TOKEN"`;
  return `Lease is ready on ${url} (${backend.kind}). Try: curl -s ${url}/v1/leases${auth} -H 'content-type: application/json' -d '{"agentId":"me","resources":["src/app.ts"]}'`;
}

function reasonOf(error: unknown): string {
  if (error instanceof ConfigError || isLeaseError(error)) return error.message;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "EADDRINUSE")
    return `Something else listens there (${message}): set LEASE_PORT to a free port.`;
  return message;
}
