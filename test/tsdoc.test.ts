/** Whatever a package exports says what it is: the first thing that an editor shows of it. */
import { globSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Every entry of every published package. */
const entries = [
  ...globSync("packages/*/src/index.ts", { cwd: root }),
  "packages/core/src/backend/index.ts",
  "packages/core/src/files.ts",
  "packages/core/src/load.ts",
].map((entry) => root + entry);

test("everything exported has a description", () => {
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, files: entries, include: [] }, ts.sys, root);
  const program = ts.createProgram(entries, options);
  const checker = program.getTypeChecker();
  const silent: string[] = [];
  let described = 0;
  for (const entry of entries) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(entry) as ts.SourceFile);
    for (const exported of module === undefined ? [] : checker.getExportsOfModule(module)) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      if (symbol.getDocumentationComment(checker).length > 0) described += 1;
      else silent.push(`${entry.slice(root.length)}: ${exported.name}`);
    }
  }
  expect(silent).toEqual([]);
  expect(described).toBeGreaterThan(150);
});
