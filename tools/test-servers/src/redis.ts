/** Private Redis servers: plain ones, one behind TLS, one whose clock can be set. */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findFaketime, findRedis } from "./binaries.ts";
import { CERTIFICATE_FILE, KEY_FILE, makeCertificate, readCertificate } from "./certificate.ts";
import { type Reply, redisCommand } from "./resp.ts";
import { ServerProcess, withFreePorts } from "./server-process.ts";

export interface RedisOptions {
  /** Further arguments, e.g. `["--maxmemory", "4mb"]`. */
  readonly args?: readonly string[];
  /** Keep an append-only file that is synced on every write. By default nothing survives the process. */
  readonly appendOnly?: boolean;
}

export interface RedisServer {
  /** `redis://127.0.0.1:<port>` */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** Where it keeps its data. */
  readonly folder: string;
  /** Runs one command over a connection of its own. */
  command(...args: (string | number)[]): Promise<Reply>;
  /** SIGSTOP: it keeps its connections and answers nothing. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Kills it if it runs, and starts it on the same port with what its files have, if it keeps any. */
  restart(): Promise<void>;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

export interface RedisTlsServer extends RedisServer {
  /** `rediss://127.0.0.1:<port>`; `url` is for those without TLS. */
  readonly tlsUrl: string;
  /** Its own certificate, which nothing trusts by itself. */
  readonly certificate: string;
  /** Of the certificate. */
  readonly key: string;
}

export interface RedisServerWithClock extends RedisServer {
  /** From now on its wall clock differs from the machine's by so much. */
  setClock(offsetMs: number): Promise<void>;
}

export const HOST = "127.0.0.1";

/** Starts a Redis server of our own. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  return withFreePorts(1, (port) => startRedisOn(port, options));
}

/** Starts one that also speaks TLS, on a second port. */
export async function startRedisWithTls(options: RedisOptions = {}): Promise<RedisTlsServer> {
  return withFreePorts(2, async (port, tlsPort) => {
    const tls = [
      ...["--tls-port", String(tlsPort), "--tls-auth-clients", "no"],
      ...[
        "--tls-cert-file",
        CERTIFICATE_FILE,
        "--tls-key-file",
        KEY_FILE,
        "--tls-ca-cert-file",
        CERTIFICATE_FILE,
      ],
    ];
    const server = await startRedisOn(
      port,
      { ...options, args: [...tls, ...(options.args ?? [])] },
      makeCertificate,
    );
    const own = await readCertificate(server.folder);
    return Object.assign(server, { tlsUrl: `rediss://${HOST}:${tlsPort}`, ...own });
  });
}

const CLOCK_FILE = "clock";

/** Starts one whose wall clock can be set, by libfaketime. Linux alone has that. */
export async function startRedisWithClock(options: RedisOptions = {}): Promise<RedisServerWithClock> {
  const { path } = await findFaketime();
  const env = {
    // Without the C library's own malloc in front, jemalloc and libfaketime wait for each other at the start.
    LD_PRELOAD: `${path} libc.so.6`,
    FAKETIME_TIMESTAMP_FILE: CLOCK_FILE,
    FAKETIME_NO_CACHE: "1",
    // Only the wall clock can be set; time goes on for everything else.
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  };
  const setClock = async (folder: string, offsetMs: number) => {
    const next = join(folder, `${CLOCK_FILE}.next`);
    await writeFile(next, `${offsetMs < 0 ? "-" : "+"}${Math.abs(offsetMs) / 1000}\n`);
    await rename(next, join(folder, CLOCK_FILE));
  };
  const server = await withFreePorts(1, (port) =>
    startRedisOn(port, options, (folder) => setClock(folder, 0), env),
  );
  return Object.assign(server, { setClock: (offsetMs: number) => setClock(server.folder, offsetMs) });
}

/** @throws when the port is taken */
export async function startRedisOn(
  port: number,
  options: RedisOptions,
  prepare?: (folder: string) => Promise<void>,
  env: NodeJS.ProcessEnv = {},
): Promise<RedisServer> {
  const binary = await findRedis();
  const settings = [
    ...["--bind", HOST, "--port", String(port), "--save", "", "--daemonize", "no", "--loglevel", "notice"],
    ...["--appendonly", options.appendOnly ? "yes" : "no", "--appendfsync", "always"],
    ...(options.args ?? []),
  ];
  const process = await ServerProcess.start({
    binary: { path: binary.path, env: { ...binary.env, ...env } },
    ...(prepare === undefined ? {} : { prepare }),
    args: (folder) => ["--dir", folder, ...settings],
    isReady: async (pid) => {
      // An error while it loads its data counts as not ready.
      await redisCommand(port, ["EXISTS", "nothing"]).catch((error: Error) => {
        if (!/CLUSTERDOWN|MOVED/.test(error.message)) throw error;
      });
      return isProcess(port, pid);
    },
  });
  return serverOf(process, port);
}

/** Whether it is this process that answers on the port. */
export async function isProcess(port: number, pid: number): Promise<boolean> {
  const info = String(await redisCommand(port, ["INFO", "server"]));
  return new RegExp(`^process_id:${pid}\\r?$`, "m").test(info);
}

export function serverOf(process: ServerProcess, port: number): RedisServer {
  return {
    url: `redis://${HOST}:${port}`,
    host: HOST,
    port,
    folder: process.folder,
    get pid() {
      return process.pid;
    },
    command: (...args) => redisCommand(port, args),
    pause: () => process.pause(),
    resume: () => process.resume(),
    kill: () => process.kill(),
    restart: async () => {
      await process.kill();
      await process.start();
    },
    stop: () => process.stop(),
  };
}
