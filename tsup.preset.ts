import { defineConfig } from "tsup";

type Entries = string[] | Record<string, string>;

const common = {
  target: "node22",
  platform: "node",
  clean: true,
  sourcemap: true,
  tsconfig: "../../tsconfig.build.json",
} as const;

/** A publishable package: ESM and CommonJS with types for each. */
export const library = (entry: Entries = ["src/index.ts"]) =>
  defineConfig({
    ...common,
    entry,
    format: ["esm", "cjs"],
    dts: true,
    // Also in CommonJS: two entries of one package must share their classes, or `instanceof` lies.
    splitting: true,
  });

/** A private application: ESM that plain `node` runs. */
export const app = (entry: Entries = ["src/main.ts"]) =>
  defineConfig({ ...common, entry, format: ["esm"], dts: false, splitting: true });
