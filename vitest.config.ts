import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const root = fileURLToPath(new URL(".", import.meta.url));

/** Every folder below packages/, apps/ and tools/ that has a package.json is a test project of that name. */
const folders = ["packages", "apps", "tools"].flatMap((group) =>
  readdirSync(`${root}${group}`)
    .map((name) => `${group}/${name}`)
    .filter((folder) => existsSync(`${root}${folder}/package.json`)),
);

/** `npm run test:all` runs every file; the gate leaves out `*.all.test.ts`, which are too slow for every run. */
const leftOut = process.env.LEASE_TEST_ALL === "1" ? [] : ["**/*.all.test.ts"];

const project = (name: string, folder: string) => ({
  extends: true as const,
  test: { name, root: `${root}${folder}`, include: ["test/**/*.test.ts"], exclude: leftOut },
});

/** `.sql` and `.lua` files are texts, as in the build (`tsup.preset.ts`). */
const texts = {
  name: "texts",
  transform: (code: string, id: string) =>
    /\.(sql|lua)$/.test(id) ? { code: `export default ${JSON.stringify(code)};`, map: null } : undefined,
};

export default defineConfig({
  plugins: [texts],
  resolve: {
    // Tests run against the sources: nothing to rebuild while developing. Only the processes that tests
    // spawn run the built dist, which `npm test` has made before it comes here.
    alias: [
      { find: "@lease/core/backend", replacement: `${root}packages/core/src/backend/index.ts` },
      { find: /^@lease\/core\/(files|load)$/, replacement: `${root}packages/core/src/$1.ts` },
      { find: /^@lease\/test-servers$/, replacement: `${root}tools/test-servers/src/index.ts` },
      { find: /^@lease\/([a-z-]+)$/, replacement: `${root}packages/$1/src/index.ts` },
    ],
  },
  test: {
    projects: [
      project("workspace", ""),
      ...folders.map((folder) => project(folder.replace(/^.*\//, ""), folder)),
    ],
    // Far beyond what anything here takes: they end what hangs, and time nothing, also on a machine that is busy.
    testTimeout: 240_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000 } },
    reporters: ["default", `${root}scripts/last-line-reporter.ts`],
    coverage: {
      provider: "v8",
      include: ["packages/core/src/**/*.ts"],
      reporter: ["text"],
      thresholds: { lines: 95 },
    },
  },
});
