/**
 * An npm registry on the loopback, so that a test can install the packages as a stranger does. It serves what was
 * published to it and, for everything else, what the workspace itself has installed: nothing comes from outside.
 */
import { execFile } from "node:child_process";
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const execute = promisify(execFile);

interface Manifest {
  readonly name: string;
  readonly version: string;
}

/** One version of a package: what its package.json says, and its files. */
interface Release {
  readonly manifest: Manifest;
  readonly tarball: () => Promise<Buffer>;
}

export interface Registry {
  readonly url: string;
  /** Offers a packed package, beside the versions that are there already. */
  publish(tarball: string): Promise<void>;
  close(): Promise<void>;
}

export async function startRegistry(): Promise<Registry> {
  const published = new Map<string, Release[]>();
  const installed = installedPackages();
  const scratch = mkdtempSync(join(tmpdir(), "lease-registry-"));

  const releasesOf = (name: string): readonly Release[] =>
    published.get(name) ?? (installed.get(name) ?? []).map((folder) => installedRelease(folder, scratch));

  const server = createServer(async (request, response) => {
    const [, name = "", version] = /^\/((?:@[^/]+\/)?[^/]+)(?:\/-\/(.+)\.tgz)?$/.exec(
      decodeURIComponent(request.url ?? ""),
    ) ?? [""];
    const releases = releasesOf(name);
    const wanted = releases.find(({ manifest }) => manifest.version === version);
    if (wanted !== undefined) {
      response.end(await wanted.tarball());
    } else if (version === undefined && releases.length > 0) {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(packument(name, releases, url)));
    } else {
      response.writeHead(404).end("{}");
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url,
    async publish(path) {
      const options = { encoding: "utf8" } as const;
      const { stdout } = await execute("tar", ["-xzOf", path, "package/package.json"], options);
      const manifest: Manifest = JSON.parse(stdout);
      const release = { manifest, tarball: async () => readFileSync(path) };
      published.set(manifest.name, [...(published.get(manifest.name) ?? []), release]);
    },
    close() {
      rmSync(scratch, { recursive: true, force: true });
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

/** What a registry says about a package: all its versions, and which one is the latest. */
function packument(name: string, releases: readonly Release[], url: string) {
  const versions = releases.map(({ manifest }) => [
    manifest.version,
    { ...manifest, dist: { tarball: `${url}/${name}/-/${manifest.version}.tgz` } },
  ]);
  const latest = releases
    .map(({ manifest }) => manifest.version)
    .sort(byVersion)
    .at(-1);
  return { name, "dist-tags": { latest }, versions: Object.fromEntries(versions) };
}

function byVersion(one: string, other: string): number {
  return one.localeCompare(other, "en", { numeric: true });
}

/** The folders of every package that pnpm has installed for the workspace, by name: one for each version. */
function installedPackages(): Map<string, string[]> {
  const packages = new Map<string, string[]>();
  const store = join(root, "node_modules/.pnpm");
  for (const entry of readdirSync(store)) {
    const modules = join(store, entry, "node_modules");
    if (!existsSync(modules)) continue;
    for (const name of namesIn(modules)) {
      // A package's own folder; those of its dependencies are links beside it.
      const folder = join(modules, name);
      if (!lstatSync(folder).isSymbolicLink()) packages.set(name, [...(packages.get(name) ?? []), folder]);
    }
  }
  return packages;
}

function namesIn(modules: string): string[] {
  const names = readdirSync(modules, { withFileTypes: true }).filter((entry) => !entry.name.startsWith("."));
  return names.flatMap(({ name }) =>
    name.startsWith("@") ? readdirSync(join(modules, name)).map((part) => `${name}/${part}`) : [name],
  );
}

function installedRelease(folder: string, scratch: string): Release {
  const manifest: Manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return {
    manifest,
    async tarball() {
      const parent = mkdtempSync(join(scratch, "pack-"));
      symlinkSync(folder, join(parent, "package"));
      const options = { encoding: "buffer", maxBuffer: 2 ** 28 } as const;
      const { stdout } = await execute("tar", ["-chf", "-", "-C", parent, "package"], options);
      return stdout;
    },
  };
}
