import { describe } from "vitest";
import { suiteOn } from "./suite.js";

describe("two client processes on a single etcd", () => suiteOn(1));
