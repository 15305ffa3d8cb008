import type {} from "@lease/core";
import type {} from "better-sqlite3";
