import { describe } from "vitest";
import { suiteOn } from "./suite.js";

describe("two client processes on a cluster of three", { timeout: 90_000 }, () => suiteOn(3));
