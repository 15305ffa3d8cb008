import { app } from "../../tsup.preset.ts";

export default app({
  main: "src/main.ts",
  "line.worker": "src/children/line.worker.ts",
  "keeper.worker": "src/children/keeper.worker.ts",
  "route.worker": "src/children/route.worker.ts",
  "server.worker": "src/children/server.worker.ts",
});
