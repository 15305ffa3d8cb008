import { defineConfig, type Options } from "tsup";

type Entries = string[] | Record<string, string>;

const common = {
  target: "node22",
  platform: "node",
  // Types come from a second run (`tsup --dts-only`), maybe at the same time: each run removes only what it writes.
  clean: ["!**/*.d.{ts,cts}"],
  sourcemap: true,
  silent: true,
  tsconfig: "../../tsconfig.build.json",
} satisfies Options;

/** A publishable package: ESM and CommonJS, with types for each from `tsup --dts-only`. */
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
