/** Private Postgres servers: one data folder made once and copied for each. */

import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { chown, cp, mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { findPostgres } from "./binaries.ts";
import { HOST } from "./redis.ts";
import { ServerProcess, withFreePorts } from "./server-process.ts";

const run = promisify(execFile);

/** Postgres refuses to run as root: then this user runs it, which owns nothing else. */
const NOBODY = 65_534;
const asUser = () => (process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {});

export interface PostgresOptions {
  /** Further settings, e.g. `{ synchronous_commit: "on" }`. By default nothing is synced to the disk. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface PostgresServer {
  /** `postgres://lease@127.0.0.1:<port>/postgres` */
  readonly url: string;
  /** As `15.18`. */
  readonly version: string;
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  readonly folder: string;
  /** SIGSTOP: it keeps its connections and answers nothing. (Its children go on: see `backends`.) */
  pause(): void;
  resume(): void;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Kills it if it runs, and starts it on the same port with the data it has. */
  restart(): Promise<void>;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

let template: Promise<string> | undefined;

/** `initdb` takes seconds; copying what it made does not. */
function templateFolder(): Promise<string> {
  template ??= (async () => {
    const { path, env } = await findPostgres();
    const folder = await mkdtemp(join(tmpdir(), "lease-postgres-"));
    process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
    const user = asUser();
    if (user.uid !== undefined) await chown(folder, user.uid, user.gid);
    const data = join(folder, "data");
    await run(
      join(path, "..", "initdb"),
      ["-D", data, "--no-sync", "-A", "trust", "--locale=C", "-E", "UTF8", "-U", "lease"],
      {
        ...user,
        cwd: folder,
        env: { ...process.env, ...env },
      },
    );
    return data;
  })();
  return template;
}

/** Starts a Postgres server of our own. */
export async function startPostgres({ settings = {} }: PostgresOptions = {}): Promise<PostgresServer> {
  const binary = await findPostgres();
  const { stdout } = await run(binary.path, ["--version"], { env: { ...process.env, ...binary.env } });
  const version = /\d+(?:\.\d+)*/.exec(stdout)?.[0] ?? "";
  const data = await templateFolder();
  const user = asUser();
  return withFreePorts(1, async (port) => {
    const all = {
      listen_addresses: HOST,
      port: String(port),
      unix_socket_directories: "",
      fsync: "off",
      jit: "off",
      ...settings,
    };
    const server = await ServerProcess.start({
      binary,
      ...user,
      prepare: async (folder) => {
        await cp(data, join(folder, "data"), { recursive: true });
        if (user.uid !== undefined) await run("chown", ["-R", `${user.uid}:${user.gid}`, folder]);
      },
      args: (folder) => [
        "-D",
        join(folder, "data"),
        ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
      ],
      isReady: async (pid, folder) => {
        // Its first line is the process, its eighth whether it takes connections.
        const lines = (await readFile(join(folder, "data", "postmaster.pid"), "utf8")).split("\n");
        return Number(lines[0]) === pid && lines[7]?.trim() === "ready";
      },
    });
    return {
      url: `postgres://lease@${HOST}:${port}/postgres`,
      version,
      host: HOST,
      port,
      folder: server.folder,
      get pid() {
        return server.pid;
      },
      pause: () => server.pause(),
      resume: () => server.resume(),
      kill: () => server.kill(),
      restart: async () => {
        await server.kill();
        await server.start();
      },
      stop: () => server.stop(),
    };
  });
}
