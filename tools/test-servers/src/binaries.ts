/**
 * Finds the program of a server, and what tests of servers need beside it: where a variable says, on the PATH, or, on
 * Debian and its kin, in the distribution's own package, unpacked into `.cache` of this repository. That needs neither
 * root nor an installation.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { access, mkdir, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** How to start a server. */
export interface Binary {
  readonly path: string;
  readonly env: NodeJS.ProcessEnv;
}

interface Program {
  /** The environment variable that names the binary. */
  readonly variable: string;
  readonly command: string;
  readonly debianPackage: string;
  /** Where the package keeps it. */
  readonly debianPath: string;
  /** Something to load, not to run: then it is on no PATH. */
  readonly isLibrary?: true;
  /** Of the packages that it depends on, those that are unpacked beside it where they are not installed. Default: libraries. */
  readonly with?: RegExp;
  /** Another release of Debian than the machine's: then it runs on the C library of that release, by its loader. */
  readonly suite?: string;
  /** What runs it, where the file alone does not: a line of shell, in which `$root` is the folder of the packages. */
  readonly start?: string;
}

const LIBRARIES = /^lib/;

/** As Debian calls what Node calls `process.arch`, in folders of libraries. */
const TRIPLETS: Readonly<Record<string, string>> = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" };

const REDIS: Program = {
  variable: "REDIS_BIN",
  command: "redis-server",
  // One program with several names; the package `redis-server` only adds the service.
  debianPackage: "redis-tools",
  debianPath: "usr/bin/redis-check-rdb",
};

const ETCD: Program = {
  variable: "ETCD_BIN",
  command: "etcd",
  debianPackage: "etcd-server",
  debianPath: "usr/bin/etcd",
};

const POSTGRES: Program = {
  variable: "POSTGRES_BIN",
  command: "postgres",
  debianPackage: "postgresql-15",
  debianPath: "usr/lib/postgresql/15/bin/postgres",
};

const OPENSSL: Program = {
  variable: "OPENSSL_BIN",
  command: "openssl",
  debianPackage: "openssl",
  debianPath: "usr/bin/openssl",
};

const FAKETIME: Program = {
  variable: "LIBFAKETIME",
  command: "libfaketime.so.1",
  debianPackage: "libfaketime",
  debianPath: `usr/lib/${TRIPLETS[process.arch] ?? process.arch}/faketime/libfaketime.so.1`,
  isLibrary: true,
};

const LUACHECK: Program = {
  variable: "LUACHECK_BIN",
  command: "luacheck",
  debianPackage: "lua-check",
  debianPath: "usr/bin/luacheck",
  with: /^(lib|lua)/,
  start:
    'LUA_PATH="$root/usr/share/lua/5.1/?.lua;$root/usr/share/lua/5.1/?/init.lua" ' +
    `LUA_CPATH="$root/usr/lib/${TRIPLETS[process.arch]}/lua/5.1/?.so" ` +
    'exec "$root/usr/bin/lua5.1" "$root/usr/bin/luacheck" "$@"',
};

const REDIS_8: Program = { ...REDIS, variable: "REDIS_8_BIN", command: "redis-server-8", suite: "trixie" };

const VALKEY_8: Program = {
  variable: "VALKEY_8_BIN",
  command: "valkey-server-8",
  debianPackage: "valkey-tools",
  debianPath: "usr/bin/valkey-check-rdb",
  suite: "trixie",
};

const found = new Map<Program, Promise<Binary>>();

export const findRedis = () => find(REDIS);
export const findEtcd = () => find(ETCD);
export const findPostgres = () => find(POSTGRES);
export const findOpenssl = () => find(OPENSSL);
/** The server of Debian 13. */
export const findRedis8 = () => find(REDIS_8);
/** The server of Debian 13. */
export const findValkey8 = () => find(VALKEY_8);
export const findLuacheck = () => find(LUACHECK);
/** A library to preload into a server, so that its wall clock is ours to set. */
export const findFaketime = () => find(FAKETIME);

function find(program: Program): Promise<Binary> {
  let binary = found.get(program);
  if (binary === undefined) {
    binary = search(program);
    found.set(program, binary);
  }
  return binary;
}

async function search(program: Program): Promise<Binary> {
  const named = process.env[program.variable];
  if (named !== undefined && named !== "") {
    if (await isUsable(program, named)) return { path: named, env: {} };
    throw new Error(
      `${program.variable} is ${named}, which this user cannot ${program.isLibrary ? "read" : "run"}.`,
    );
  }
  for (const path of installedAt(program)) if (await isUsable(program, path)) return { path, env: {} };
  try {
    return await unpacked(program);
  } catch (cause) {
    throw new Error(
      `These tests need ${program.command}: install it (Debian: apt-get install ${program.debianPackage}; ` +
        `macOS: brew install ${program.command.replace("-server", "")}), or set ${program.variable} to its path.`,
      { cause },
    );
  }
}

function installedAt({ command, debianPath, isLibrary }: Program): string[] {
  if (isLibrary) return [`/${debianPath}`];
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  // Some packages keep their programs off the PATH.
  return [...folders.map((folder) => join(folder, command)), `/${debianPath}`];
}

async function unpacked(program: Program): Promise<Binary> {
  const folder = join(await repositoryRoot(), ".cache", "test-servers", program.command);
  const path = join(folder, "bin", program.command);
  if (!(await isUsable(program, path))) await fetchPackage(program, folder);
  return { path, env: { LD_LIBRARY_PATH: (await libraryFolders(folder)).join(":") } };
}

/**
 * Several processes may do this at once: each works in a folder of its own, and the first to be ready gives its folder
 * the final name.
 */
async function fetchPackage(program: Program, folder: string): Promise<void> {
  const work = `${folder}.${process.pid}.${randomBytes(4).toString("hex")}`;
  await mkdir(join(work, "bin"), { recursive: true });
  try {
    await downloadWithDependencies(program, work);
    await makeStartable(program, work);
    await rename(work, folder).catch(async (error: unknown) => {
      if (!(await isUsable(program, join(folder, "bin", program.command)))) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** A symbolic link where the file runs as it is; else a script, which becomes the program, so that its pid is the program's. */
async function makeStartable(program: Program, work: string): Promise<void> {
  const file = join(work, "bin", program.command);
  if (program.start === undefined && program.suite === undefined) {
    return symlink(join("..", program.debianPath), file);
  }
  // Redis looks at the name by which it was called for which of its programs it is.
  const name = program.command.replace(/-\d+$/, "");
  const own = `exec "$root"/lib*/ld-linux-*.so.* --argv0 ${name} --library-path "$libraries" "$root/${program.debianPath}" "$@"`;
  const libraries = `libraries="$root/usr/lib/${TRIPLETS[process.arch]}:$root/lib/${TRIPLETS[process.arch]}"`;
  const root = 'root="$(cd "$(dirname "$0")/.." && pwd)"';
  await writeFile(file, `#!/bin/sh\n${root}\n${libraries}\n${program.start ?? own}\n`, { mode: 0o755 });
}

async function downloadWithDependencies(program: Program, work: string): Promise<void> {
  let apt: string[] = program.suite === undefined ? [] : await aptOf(program.suite, work);
  try {
    await download([program.debianPackage], work, apt);
  } catch (error) {
    if (program.suite !== undefined) throw error;
    // A fresh machine has no package lists yet: fetch them into a folder of ours, which needs no root.
    apt = await privateApt(join(work, "apt"));
    await run("apt-get", [...apt, "update"], { cwd: work });
    await download([program.debianPackage], work, apt);
  }
  const needed = await dependenciesOf(program, apt);
  if (needed.length > 0) await download(needed, work, apt);
  await rm(join(work, "apt"), { recursive: true, force: true });
}

/** The packages that a program's own depends on, and those that they depend on: of what is not there already. */
async function dependenciesOf(program: Program, apt: readonly string[]): Promise<string[]> {
  const needed = new Set<string>();
  for (let level = [program.debianPackage]; level.length > 0; ) {
    const { stdout } = await run("apt-cache", [...apt, "depends", "--important", ...level]);
    const named = [...stdout.matchAll(/^ +Depends: ([\w.+-]+)$/gm)].map(([, name]) => name as string);
    level = [];
    for (const name of new Set(named)) {
      if (needed.has(name) || !(program.with ?? LIBRARIES).test(name)) continue;
      // The C library belongs to the system's loader and is always there; another release brings its own.
      if (program.suite === undefined && (name === "libc6" || (await isInstalled(name)))) continue;
      needed.add(name);
      level.push(name);
    }
  }
  return [...needed];
}

async function download(packages: readonly string[], work: string, apt: readonly string[]): Promise<void> {
  await run("apt-get", [...apt, "download", ...packages], { cwd: work });
  for (const file of await readdir(work)) {
    if (!file.endsWith(".deb")) continue;
    await run("dpkg", ["-x", file, "."], { cwd: work });
    await rm(join(work, file));
  }
}

/** The packages of another release, from where this machine has its own from. */
async function aptOf(suite: string, work: string): Promise<string[]> {
  const { stdout } = await run("apt-cache", ["policy"]);
  const mirror = /(https?:\S+\/debian\/?) \S+\/main /.exec(stdout)?.[1];
  if (mirror === undefined) throw new Error("This machine does not know where Debian's packages are.");
  const apt = await privateApt(join(work, "apt"));
  const list = join(work, "apt", "sources.list");
  await writeFile(list, `deb ${mirror} ${suite} main\n`);
  const other = [...apt, "-o", `Dir::Etc::sourcelist=${list}`, "-o", "Dir::Etc::sourceparts=-"];
  await run("apt-get", [...other, "update"], { cwd: work });
  return other;
}

async function privateApt(folder: string): Promise<string[]> {
  await mkdir(join(folder, "state/lists/partial"), { recursive: true });
  await mkdir(join(folder, "cache/archives/partial"), { recursive: true });
  const options = {
    "Dir::State": join(folder, "state"),
    "Dir::State::status": "/var/lib/dpkg/status",
    "Dir::Cache": join(folder, "cache"),
  };
  return Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}

async function isInstalled(name: string): Promise<boolean> {
  try {
    const { stdout } = await run("dpkg", ["--status", name]);
    return /^Status: .* installed$/m.test(stdout);
  } catch {
    return false;
  }
}

async function libraryFolders(folder: string): Promise<string[]> {
  const lib = join(folder, "usr/lib");
  const triplets = await readdir(lib).catch(() => []);
  return [lib, ...triplets.map((triplet) => join(lib, triplet))];
}

async function isUsable({ isLibrary }: Program, path: string): Promise<boolean> {
  return access(path, isLibrary ? constants.R_OK : constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Also when this file was bundled into another package's dist. */
async function repositoryRoot(): Promise<string> {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const isRoot = await access(join(folder, "pnpm-workspace.yaml")).then(
      () => true,
      () => false,
    );
    if (isRoot) return folder;
    if (folder === dirname(folder)) throw new Error("This file does not lie in the workspace.");
  }
}
