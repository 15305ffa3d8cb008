import { describe } from "vitest";
import { suiteOn } from "./suite.js";

describe("two client processes on a single etcd", { timeout: 60_000 }, () => suiteOn(1));
