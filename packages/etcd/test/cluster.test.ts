import { describe } from "vitest";
import { suiteOn } from "./suite.js";

describe("two client processes on a cluster of three", () => suiteOn(3));
