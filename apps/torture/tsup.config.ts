import { app } from "../../tsup.preset.ts";

export default app();
