import { app } from "../../tsup.preset.ts";

// The application by itself is for the benchmark.
export default app(["src/main.ts", "src/app.ts"]);
