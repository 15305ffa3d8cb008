import type {} from "@lease/core";
import type {} from "@lease/sqlite";
