import { defineConfig, type Options } from "tsup";

type Entries = string[] | Record<string, string>;

/**
 * `LEASE_BUILD=types` writes the types alone, maybe while another run writes the code: each removes only what it writes.
 * The reference declares `AsyncDisposable` for those who compile without it: an older `lib`, no `@types/node`.
 */
const types = { only: true, banner: '/// <reference lib="esnext.disposable" />' };

const common = {
  target: "node22",
  platform: "node",
  dts: process.env.LEASE_BUILD === "types" && types,
  clean: ["!**/*.d.{ts,cts}"],
  loader: { ".sql": "text", ".lua": "text" },
  sourcemap: true,
  silent: true,
  tsconfig: "../../tsconfig.build.json",
} satisfies Options;

/** A publishable package: ESM and CommonJS, with types for each. */
export const library = (entry: Entries = ["src/index.ts"]) =>
  defineConfig({
    ...common,
    entry,
    format: ["esm", "cjs"],
    // Also in CommonJS: two entries of one package must share their classes, or `instanceof` lies.
    splitting: true,
  });

/** A private application: ESM that plain `node` runs. */
export const app = (entry: Entries = ["src/main.ts"]) =>
  defineConfig({ ...common, entry, format: ["esm"], splitting: true });
