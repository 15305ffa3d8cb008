/**
 * What a stranger does first: copy the example of a README into an empty folder where the packages are installed,
 * compile it strictly, and run it. The packages are the built ones.
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
import { afterAll, beforeAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);

/** The READMEs whose first TypeScript block is a whole program. Those that need a server are run by their package. */
const readmes = [
  "README.md",
  "packages/core/README.md",
  "packages/sqlite/README.md",
  "packages/connect/README.md",
  "packages/testing/README.md",
];

let folder: string;

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "lease-readme-")));
  mkdirSync(join(folder, "node_modules/@lease"), { recursive: true });
  for (const name of readdirSync(join(root, "packages"))) {
    symlinkSync(join(root, "packages", name), join(folder, "node_modules/@lease", name));
  }
  mkdirSync(join(folder, "node_modules/@types"));
  symlinkSync(join(root, "node_modules/@types/node"), join(folder, "node_modules/@types/node"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const compilerOptions = {
    target: "es2023",
    lib: ["es2023", "esnext.disposable"],
    module: "nodenext",
    types: ["node"],
    strict: true,
    noEmit: true,
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  for (const readme of readmes) writeFileSync(join(folder, fileOf(readme)), exampleOf(readme));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the examples compile under strict", async () => {
  const tsc = join(root, "node_modules/@typescript/native/bin/tsc");
  const { stdout } = await run(process.execPath, [tsc, "--project", folder]).catch((error) => error);
  expect(stdout).toBe("");
});

test.each(readmes)("the example of %s runs", async (readme) => {
  const { stderr } = await run(process.execPath, ["--unhandled-rejections=strict", fileOf(readme)], {
    cwd: folder,
  });
  expect(stderr).toBe("");
});

test("the example of the front page prints the refusal that the front page quotes", async () => {
  const { stdout } = await run(process.execPath, [fileOf("README.md")], { cwd: folder });
  const quoted = readFileSync(join(root, "README.md"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("> "))
    .map((line) => line.slice(2))
    .join(" ")
    .replaceAll("\\*", "*");
  expect(stdout).toContain(quoted);
});

function fileOf(readme: string): string {
  return `${readme.replace(/\/?README\.md$/, "").replaceAll("/", "-") || "front-page"}.ts`;
}

function exampleOf(readme: string): string {
  const [, code] = readFileSync(join(root, readme), "utf8").match(/^```ts\n(.*?)^```/ms) ?? [];
  if (code === undefined) throw new Error(`${readme} has no \`\`\`ts block`);
  return code;
}
