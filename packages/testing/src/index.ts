import type {} from "@lease/core";
import type {} from "fast-check";
