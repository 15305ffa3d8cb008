/**
 * What a lease costs on SQLite: acquire + release with history on, beside a bare insert + delete, each in its own
 * transaction, through the same driver with the same settings. Rounds alternate, so that a machine that slows down
 * slows both; every ratio is that of one round.
 *
 * `npm run bench -- sqlite [rounds]`, and `npm run bench -- sqlite handoff [times]` for the way from a release to the
 * next holder in another process.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLeaseId, type LeaseBackend } from "@lease/core";
import { sqliteBackend } from "@lease/sqlite";
import { handoff } from "./handoff.js";
import { request } from "./request.js";
import { median, spread } from "./stats.js";

type Synchronous = "NORMAL" | "FULL";

/** Pairs a round: enough for some tenths of a second each. */
const PAIRS = { NORMAL: 6000, FULL: 384 } as const;

export async function sqlite(args: readonly string[]): Promise<void> {
  if (args[0] === "handoff") {
    await handoff(Number(args[1] ?? 500));
    return;
  }
  const rounds = Number(args[0] ?? 15);
  console.log(`acquire + release against bare insert + delete, ${rounds} rounds, Node ${process.version}`);
  console.log("ratio of pairs a second, median (lowest–highest round):\n");
  console.log("sync    concurrent  ours/s   bare/s   ours : bare        ours : bare in BEGIN IMMEDIATE");
  for (const synchronous of ["NORMAL", "FULL"] as const) {
    for (const concurrent of [1, 16, 128]) {
      const { ours, bare, begun } = await compare(synchronous, concurrent, rounds);
      const against = (others: number[]) =>
        spread(ours.map((rate, round) => rate / (others[round] as number)));
      console.log(
        synchronous.padEnd(8) +
          String(concurrent).padEnd(12) +
          median(ours).toFixed(0).padEnd(9) +
          median(bare).toFixed(0).padEnd(9) +
          against(bare).padEnd(19) +
          against(begun),
      );
    }
  }
}

/** Pairs a second of each contender, by round. */
async function compare(
  synchronous: Synchronous,
  concurrent: number,
  rounds: number,
): Promise<{ ours: number[]; bare: number[]; begun: number[] }> {
  const folder = mkdtempSync(join(tmpdir(), "lease-bench-"));
  const backend = sqliteBackend({ path: join(folder, "leases.db"), synchronous });
  const table = openBare(join(folder, "bare.db"), synchronous);
  const pairs = PAIRS[synchronous];
  const [ours, bare, begun]: [number[], number[], number[]] = [[], [], []];
  try {
    await leasePairs(backend, pairs, concurrent);
    table.pairs(pairs / 2);
    table.begunPairs(pairs / 2);
    for (let round = 0; round < rounds; round += 1) {
      ours.push(await rate(pairs, () => leasePairs(backend, pairs, concurrent)));
      bare.push(await rate(pairs, () => table.pairs(pairs)));
      begun.push(await rate(pairs, () => table.begunPairs(pairs)));
    }
  } finally {
    await backend.close();
    table.close();
    rmSync(folder, { recursive: true });
  }
  return { ours, bare, begun };
}

async function rate(pairs: number, run: () => Promise<void> | void): Promise<number> {
  const begun = performance.now();
  await run();
  return pairs / ((performance.now() - begun) / 1000);
}

/** So many clients, each of which acquires and releases a resource of its own, again and again. */
async function leasePairs(backend: LeaseBackend, pairs: number, concurrent: number): Promise<void> {
  let left = pairs;
  const client = async (number: number) => {
    const agentId = `agent-${number}`;
    while (left > 0) {
      left -= 1;
      const id = createLeaseId();
      const result = await backend.acquire(request(id, agentId, `src/file-${number}.ts`));
      if (result.status !== "granted") throw new Error(`not granted: ${result.status}`);
      await backend.release([{ kind: "release", id, agentId, token: result.lease.token }]);
    }
  };
  await Promise.all(Array.from({ length: concurrent }, (_, number) => client(number)));
}

const DRIVER = "better-sqlite3";

/** As much of the driver as is used here. */
type Driver = new (path: string) => Connection;

interface Connection {
  pragma(text: string): unknown;
  exec(sql: string): unknown;
  prepare(sql: string): { run(...values: unknown[]): unknown };
  transaction(run: () => void): { immediate: () => void };
  close(): void;
}

/**
 * The least that a lock table in SQLite could do: no owner check, no expiry, no history. Each statement alone is a
 * transaction of its own, the fastest kind that there is.
 */
function openBare(path: string, synchronous: Synchronous) {
  // The backend's own copy of the driver, so that both measure the same one.
  const require = createRequire(createRequire(import.meta.url).resolve("@lease/sqlite"));
  const Database = require(DRIVER) as Driver;
  const db = new Database(path);
  db.pragma("journal_mode = WAL");
  db.exec("CREATE TABLE lock (resource TEXT PRIMARY KEY, owner TEXT, expires INTEGER) WITHOUT ROWID");
  db.pragma(`synchronous = ${synchronous}`);
  const insert = db.prepare("INSERT INTO lock VALUES (?, ?, ?)");
  const remove = db.prepare("DELETE FROM lock WHERE resource = ?");
  const insertOne = () => insert.run("src/file-0.ts", "agent-0", 30_000);
  const removeOne = () => remove.run("src/file-0.ts");
  const begunInsert = db.transaction(insertOne);
  const begunRemove = db.transaction(removeOne);
  return {
    pairs(count: number) {
      for (let pair = 0; pair < count; pair += 1) {
        insertOne();
        removeOne();
      }
    },
    /** The same in `BEGIN IMMEDIATE` … `COMMIT`, as whoever needs a second statement writes it. */
    begunPairs(count: number) {
      for (let pair = 0; pair < count; pair += 1) {
        begunInsert.immediate();
        begunRemove.immediate();
      }
    },
    close: () => db.close(),
  };
}
