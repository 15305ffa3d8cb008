import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A program that plain Node runs, of this package's build: beside this file once it is built, else in `dist`. */
export function workerFile(name: string): string {
  for (const folder of ["./", "../../dist/"]) {
    const path = fileURLToPath(new URL(`${folder}${name}.js`, import.meta.url));
    if (existsSync(path)) return path;
  }
  throw new Error(`${name}.js is not built: run npm run build.`);
}
