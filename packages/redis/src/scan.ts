/** Walks over a whole namespace, in steps so small that no other call waits long. */
import { ascii, numberAt, utf8 } from "./codec.js";
import type { Connection } from "./connection.js";
import { load } from "./scripts/load.js";

const SCAN = load("scan");
const FIELDS_A_STEP = 500;

export interface Ticket {
  readonly token: number;
  readonly id: string;
}

/**
 * The tickets of all leases that are live, or past their time, by token. What comes or goes meanwhile may be missing or
 * may be there; all else is there once.
 *
 * @param subtree - only leases that overlap with it; left out: all
 */
export async function scan(
  connection: Connection,
  which: "live" | "dead",
  subtree: string | undefined,
): Promise<Ticket[]> {
  // A walk may come across the same lease twice.
  const found = new Map<string, Ticket>();
  let cursor = "0";
  do {
    const args = [cursor, `${FIELDS_A_STEP}`, which, subtree === undefined ? "" : utf8(`r${subtree}`)];
    const { answers } = await connection.run(SCAN, args);
    const [next, ...tickets] = answers as Buffer[];
    for (const ticket of tickets) {
      const id = ascii(ticket, 8);
      found.set(id, { token: numberAt(ticket, 0, 7), id });
    }
    cursor = String(next);
  } while (cursor !== "0");
  return [...found.values()].sort((one, other) => one.token - other.token);
}
