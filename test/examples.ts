/**
 * Examples of the documents as a stranger has them: in an empty folder where the packages are installed, compiled
 * strictly, and run. The packages are the built ones.
 */
import { execFile } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const execute = promisify(execFile);

/** What examples may import besides the packages, and where the workspace has it. */
const INSTALLED = {
  "@types/node": "node_modules/@types/node",
  "prom-client": "packages/metrics/node_modules/prom-client",
};

const COMPILER_OPTIONS = {
  target: "es2023",
  lib: ["es2023", "esnext.disposable"],
  module: "nodenext",
  types: ["node"],
  strict: true,
  noEmit: true,
};

interface RunOptions {
  /** A folder below the one of the examples to run in, made if need be. Default: that one. */
  readonly cwd?: string;
  readonly env?: Record<string, string>;
}

export interface Examples {
  readonly folder: string;
  /** What the compiler has to say about all of them: nothing. */
  compile(): Promise<string>;
  /** Runs one to its end. @throws when it exits with anything but 0 */
  run(file: string, options?: RunOptions): Promise<{ readonly stdout: string; readonly stderr: string }>;
  remove(): void;
}

/** Writes examples, by file name, into a folder of their own. */
export function writeExamples(files: Readonly<Record<string, string>>): Examples {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "lease-examples-")));
  const link = (name: string, path: string) => {
    const place = join(folder, "node_modules", name);
    mkdirSync(join(place, ".."), { recursive: true });
    symlinkSync(join(root, path), place);
  };
  for (const name of readdirSync(join(root, "packages"))) link(`@lease/${name}`, `packages/${name}`);
  for (const [name, path] of Object.entries(INSTALLED)) link(name, path);
  const tsconfig = { compilerOptions: COMPILER_OPTIONS, include: ["*.ts"] };
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(tsconfig));
  for (const [name, code] of Object.entries(files)) writeFileSync(join(folder, name), code);

  return {
    folder,
    async compile() {
      const tsc = join(root, "node_modules/@typescript/native/bin/tsc");
      const { stdout } = await execute(process.execPath, [tsc, "--project", folder]).catch((error) => error);
      return stdout;
    },
    run(file, { cwd = ".", env = {} } = {}) {
      mkdirSync(join(folder, cwd), { recursive: true });
      return execute(process.execPath, ["--unhandled-rejections=strict", join(folder, file)], {
        cwd: join(folder, cwd),
        env: { ...process.env, ...env },
      });
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A document of the repository. */
export function readDocument(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/** The first TypeScript block of a document. */
export function firstExample(path: string): string {
  const [, code] = /^```ts\n(.*?)^```/ms.exec(readDocument(path)) ?? [];
  if (code === undefined) throw new Error(`${path} has no \`\`\`ts block`);
  return code;
}

/** Compiles and runs one example in a folder of its own. @throws when it exits with anything but 0 */
export async function tryExample(
  code: string,
): Promise<{ readonly compiler: string; readonly stdout: string; readonly stderr: string }> {
  const examples = writeExamples({ "example.ts": code });
  try {
    return { compiler: await examples.compile(), ...(await examples.run("example.ts")) };
  } finally {
    examples.remove();
  }
}
