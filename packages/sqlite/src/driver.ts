/** Loads better-sqlite3, and only where it can live: on Node 20 its binary ends the process without a word. */
import { LeaseError } from "@lease/core";
import type { Database } from "better-sqlite3";

/** One open connection. */
export type Connection = Database;

/** A prepared statement, as far as it is used here. */
export interface Statement<P extends unknown[], R> {
  readonly source: string;
  run(...values: P): unknown;
  get(...values: P): R | undefined;
  all(...values: P): R[];
}

type Driver = typeof import("better-sqlite3");

const LEAST_NODE = 22;

let loading: Promise<Driver> | undefined;

/** @throws `BACKEND_INCOMPATIBLE` on a Node that is too old, before anything native is loaded */
export function loadDriver(): Promise<Driver> {
  refuseOldNode(process.versions.node);
  loading ??= import("better-sqlite3").then((module) => module.default);
  return loading;
}

function refuseOldNode(version: string): void {
  if (Number.parseInt(version, 10) >= LEAST_NODE) return;
  throw new LeaseError(
    "BACKEND_INCOMPATIBLE",
    `The SQLite backend needs Node ${LEAST_NODE} or newer, this is Node ${version}: update Node.`,
  );
}
