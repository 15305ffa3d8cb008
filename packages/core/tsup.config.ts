import { library } from "../../tsup.preset.ts";

export default library({
  index: "src/index.ts",
  backend: "src/backend/index.ts",
  files: "src/files.ts",
  load: "src/load.ts",
});
