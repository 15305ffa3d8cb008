import { describe } from "vitest";
import { suiteOn } from "./suite.js";

describe("two client processes on a single etcd", { timeout: 90_000 }, () => suiteOn(1));
