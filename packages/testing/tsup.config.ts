import { defineConfig } from "tsup";
import { library } from "../../tsup.preset.ts";

export default defineConfig({
  ...library({ index: "src/index.ts", "process-worker": "src/process/child.worker.ts" }),
  // The host looks for the worker from where it stands itself, also in CommonJS.
  shims: true,
});
