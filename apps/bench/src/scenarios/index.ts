/** All scenarios, in the order of the report. */
import type { Scenario } from "../frame/scenario.js";
import { handOff } from "./hand-off.js";
import { line } from "./line.js";
import { pairs } from "./pairs.js";

export const SCENARIOS: readonly Scenario[] = [pairs, handOff, line];
