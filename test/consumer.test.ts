/**
 * The packages as a stranger gets them: packed, installed by npm into an empty project, and used. Everything is
 * served from the loopback, see `registry.ts`.
 */
import { execFile, execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { npmInstall } from "./npm.js";
import { type Registry, startRegistry } from "./registry.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const execute = promisify(execFile);

/** Every package that is published, and the peers that its user brings. */
const PACKAGES = readdirSync(join(root, "packages")).map((name) => `@lease/${name}`);
const PEERS = ["prom-client"];

/** The pnpm of the workspace, as `npx` names it. */
const PNPM: string = manifestOf(root).packageManager;

/** What versioning and packing read. */
const RELEASED = [
  "{package.json,pnpm-workspace.yaml,LICENSE,.changeset}",
  "{packages,apps,tools}/*/package.json",
  "packages/*/{dist,README.md}",
];

/** Takes a lease in memory, in a SQLite file, and in one that a URL names. */
const TAKES_LEASES = `
  for (const backend of [memoryBackend(), sqliteBackend({ path: "a.db" }), await openBackend("sqlite:b.db")]) {
    const leases = createLeaseManager({ backend, agentId: "stranger" });
    await leases.withLease(fileResource("src/app.ts", { root: "." }), async (lease) => {
      console.log(backend.kind, lease.isHeld(), lease.claims[0].resource);
    });
    await leases.close({ backend: true });
  }`;
const IMPORTS = {
  "@lease/core": "createLeaseManager, memoryBackend",
  "@lease/core/files": "fileResource",
  "@lease/sqlite": "sqliteBackend",
  "@lease/connect": "openBackend",
};
const PROGRAMS = {
  "esm.mjs": `${importLines((names, from) => `import { ${names} } from "${from}";`)}${TAKES_LEASES}`,
  "commonjs.cjs": `${importLines((names, from) => `const { ${names} } = require("${from}");`)}
    (async () => {${TAKES_LEASES}})();`,
};

/** npm takes seconds where the machine is idle. */
const SLOW = 120_000;

let scratch: string;
let registry: Registry;

beforeAll(async () => {
  scratch = realpathSync(mkdtempSync(join(tmpdir(), "lease-consumer-")));
  registry = await startRegistry();
  await publish(root, registry);
}, SLOW);

afterAll(async () => {
  await registry.close();
  rmSync(scratch, { recursive: true, force: true });
});

describe("all packages in one project", () => {
  let folder: string;

  beforeAll(async () => {
    folder = project("all", PROGRAMS);
    await npmInstall(folder, registry, [...PACKAGES, ...PEERS]);
  }, SLOW);

  test.each(Object.keys(PROGRAMS))("%s takes leases", async (program) => {
    const { stdout } = await execute(process.execPath, [program], { cwd: folder });
    expect(stdout.split("\n")).toEqual([
      "memory true src/app.ts",
      "sqlite true src/app.ts",
      "sqlite true src/app.ts",
      "",
    ]);
  });

  test("each loads as an ES module and as CommonJS", async () => {
    const names = JSON.stringify(PACKAGES);
    const esm = `for (const name of ${names}) await import(name)`;
    const commonjs = `for (const name of ${names}) require(name)`;
    await execute(process.execPath, ["--input-type=module", "--eval", esm], { cwd: folder });
    await execute(process.execPath, ["--input-type=commonjs", "--eval", commonjs], { cwd: folder });
  });
});

test(
  "the types of core, SQLite and connect compile without Node's, on an older library, libraries checked",
  async () => {
    const { exports } = manifestOf(join(root, "packages/core"));
    const doors = Object.keys(exports).filter((door) => door !== "./package.json");
    const imported = [
      ...doors.map((door) => `@lease/core${door.slice(1)}`),
      "@lease/sqlite",
      "@lease/connect",
    ];
    const folder = project("types", {
      "esm.mts": imported.map((name, index) => `export * as m${index} from "${name}";\n`).join(""),
      "commonjs.cts": imported
        .map((name, index) => `import m${index} = require("${name}"); m${index};\n`)
        .join(""),
      "tsconfig.json": JSON.stringify({
        compilerOptions: {
          lib: ["es2022", "dom"],
          types: [],
          module: "nodenext",
          strict: true,
          skipLibCheck: false,
          noEmit: true,
        },
      }),
    });
    await npmInstall(folder, registry, ["@lease/core", "@lease/sqlite", "@lease/connect"]);
    expect(existsSync(join(folder, "node_modules/@types/node"))).toBe(false);
    const tsc = join(root, "node_modules/@typescript/native/bin/tsc");
    const { stdout } = await execute(process.execPath, [tsc], { cwd: folder }).catch((error) => error);
    expect(stdout).toBe("");
  },
  SLOW,
);

describe("a second release, in which every backend is a minor further", () => {
  const backends = Object.keys(manifestOf(join(root, "packages/connect")).peerDependencies);
  let releases: Registry;

  beforeAll(async () => {
    releases = await startRegistry();
    const workspace = copyOfWorkspace();
    await version(workspace);
    await publish(workspace, releases);
    const bumps = ["@lease/connect: patch", ...backends.map((name) => `${name}: minor`)];
    const changeset = `---\n${bumps.map((bump) => bump.replace(/^[^:]*/, '"$&"')).join("\n")}\n---\n\nMore.\n`;
    writeFileSync(join(workspace, ".changeset/second.md"), changeset);
    await version(workspace);
    await publish(workspace, releases);
  }, SLOW);

  afterAll(() => releases.close());

  test.each([
    ["stays with the first backends", "^0.1.0", "0.1.0"],
    ["takes the new ones", "^0.2.0", "0.2.0"],
  ])(
    "connect's patch installs for a project that %s",
    async (_which, wanted, got) => {
      const folder = project(`backends-${got}`);
      const packages = ["@lease/core@^0.1.0", "@lease/connect@^0.1.0"];
      await npmInstall(folder, releases, [...packages, ...backends.map((name) => `${name}@${wanted}`)]);
      const versions = ["@lease/connect", ...backends].map((name) => installedVersion(folder, name));
      expect(versions).toEqual(["0.1.1", ...backends.map(() => got)]);
    },
    SLOW,
  );
});

/** A copy of what releasing needs, as a repository of its own. */
function copyOfWorkspace(): string {
  const copy = join(scratch, "workspace");
  for (const path of globSync(RELEASED, { cwd: root, exclude: ["**/node_modules/**"] })) {
    cpSync(join(root, path), join(copy, path), { recursive: true });
  }
  git(copy, "init", "--quiet");
  git(copy, "add", ".changeset");
  git(copy, "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "--quiet", "-m", "First");
  return copy;
}

/** What `npm run version-packages` does: versions and changelogs from the changesets. */
async function version(workspace: string): Promise<void> {
  const changeset = join(root, "node_modules/@changesets/cli/bin.js");
  await execute(process.execPath, [changeset, "version"], { cwd: workspace });
}

function git(folder: string, ...args: string[]): void {
  execFileSync("git", args, { cwd: folder });
}

function installedVersion(folder: string, name: string): string {
  return manifestOf(join(folder, "node_modules", name)).version;
}

function manifestOf(folder: string) {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
}

/** Packs every package of a workspace, and offers the packages in the registry. */
async function publish(workspace: string, registry: Registry): Promise<void> {
  const destination = mkdtempSync(join(scratch, "packed-"));
  const pack = ["-r", "--filter", "./packages/*", "pack", "--pack-destination", destination];
  await execute("npx", ["-y", "--prefer-offline", PNPM, ...pack], { cwd: workspace });
  for (const name of readdirSync(destination)) await registry.publish(join(destination, name));
}

/** An empty project with some files. */
function project(name: string, files: Readonly<Record<string, string>> = {}): string {
  const folder = join(scratch, name);
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name, private: true }));
  for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, path), text);
  return folder;
}

function importLines(line: (names: string, from: string) => string): string {
  return Object.entries(IMPORTS)
    .map(([from, names]) => `${line(names, from)}\n`)
    .join("");
}
