/** All scenarios, in the order of the report. */
import type { Scenario } from "../frame/scenario.js";
import { autoRenew } from "./auto-renew.js";
import { cost } from "./cost.js";
import { crowd } from "./crowd.js";
import { eight } from "./eight.js";
import { handOff } from "./hand-off.js";
import { http } from "./http.js";
import { line } from "./line.js";
import { pairs } from "./pairs.js";
import { renewals } from "./renewals.js";

export const SCENARIOS: readonly Scenario[] = [
  pairs,
  renewals,
  eight,
  handOff,
  line,
  crowd,
  autoRenew,
  http,
  cost,
];
