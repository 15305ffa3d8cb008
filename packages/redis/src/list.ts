/** Pages of live leases. */
import {
  DEFAULT_PAGE,
  formatCursor,
  type LeasePage,
  type LeaseQuery,
  matchesFilters,
  nextPage,
  pageStart,
} from "@lease/core/backend";
import {
  type Binary,
  bytes,
  decodeWithId,
  encodeAgent,
  numberAt,
  type StoredRecord,
  shown,
  utf8,
} from "./codec.js";
import type { Connection } from "./connection.js";
import { NOTHING_YET } from "./history.js";
import { scan, type Ticket } from "./scan.js";
import { HEAD } from "./scripts/layout.js";
import { load } from "./scripts/load.js";

const LIST = load("list");

const STATES = Object.freeze({ pending: "P", active: "A" });

/** The script's word for: only a scan can answer this. */
const SCAN_FIRST = "S";

/** How long what a scan found is kept for the pages after. */
const KEEP_SCAN_MS = 30_000;

interface Found {
  readonly record: StoredRecord;
  readonly now: number;
}

/** An answer of the script. */
interface Answered {
  /** Where the history stood. */
  readonly cursor: string;
  /** `null`: only a scan can answer. */
  readonly found: readonly Found[] | null;
}

/** What leases a question of the script is about. */
interface Narrow {
  readonly kind: "ids" | "agent" | "resource" | "all";
  readonly args: readonly Binary[];
}

interface Scanned {
  /** Of leases that overlap with it, if it is a subtree. */
  readonly resource: string | undefined;
  readonly tickets: readonly Ticket[];
}

export class Listing {
  readonly #connection: Connection;
  /** The last scan, while its next page may be asked for. */
  #kept: Scanned | undefined;
  #dropping: NodeJS.Timeout | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Asks by the narrowest filter and applies the others here, so a page can take several questions. */
  async page(query: LeaseQuery): Promise<LeasePage> {
    const limit = query.limit ?? DEFAULT_PAGE;
    // One more than asked for shows whether there is a next page.
    const wanted = limit + 1;
    const by = narrowest(query);
    const found: Found[] = [];
    let { token: after, cursor } = pageStart(query);
    for (;;) {
      const answer = await this.#ask(query, by, after, wanted);
      // Of the first answer: what the others show may be newer.
      cursor ??= answer.cursor;
      if (answer.found === null) {
        found.push(...(await this.#scanned(query, after, wanted)));
        break;
      }
      for (const each of answer.found) {
        after = each.record.token;
        if (matchesFilters(each.record, query)) found.push(each);
        if (found.length === wanted) break;
      }
      if (found.length === wanted || answer.found.length < wanted) break;
    }
    const leases = found.slice(0, limit).map(({ record, now }) => shown(record, now));
    const records = found.map(({ record }) => record);
    return { leases, cursor, next: nextPage(records, limit, cursor) };
  }

  close(): void {
    this.#keep(undefined);
  }

  async #ask(query: LeaseQuery, { kind, args }: Narrow, after: number, wanted: number): Promise<Answered> {
    const state = query.state === undefined ? "-" : STATES[query.state];
    const asked = [kind, bytes(after, 7), `${wanted}`, state, ...args];
    const { now, answers } = await this.#connection.run(LIST, asked);
    const [head, ...records] = answers as [Buffer, ...Buffer[]];
    const cursor =
      head.length === 0
        ? NOTHING_YET
        : formatCursor(String(numberAt(head, HEAD.epoch, 7)), numberAt(head, HEAD.last, 7));
    if (records[0]?.length === SCAN_FIRST.length) return { cursor, found: null };
    return { cursor, found: records.map((text) => ({ record: decodeWithId(text), now })) };
  }

  /**
   * From a scan. The pages after the first go on in the same one, whose tickets are those of all leases up to its last;
   * once they are used up, another scan finds what came since.
   */
  async #scanned(query: LeaseQuery, after: number, wanted: number): Promise<Found[]> {
    const found: Found[] = [];
    let position = after;
    const last = this.#kept;
    let kept = after > 0 && last?.resource === query.resource ? last?.tickets : undefined;
    for (;;) {
      const tickets = kept ?? (await scan(this.#connection, "live", query.resource));
      let at = tickets.findIndex(({ token }) => token > position);
      while (at >= 0 && at < tickets.length && found.length < wanted) {
        const ids = tickets.slice(at, at + wanted - found.length).map(({ id }) => `l${id}`);
        const answer = await this.#ask(query, { kind: "ids", args: ids }, position, wanted);
        found.push(...(answer.found ?? []).filter(({ record }) => matchesFilters(record, query)));
        at += ids.length;
        position = (tickets[at - 1] as Ticket).token;
      }
      this.#keep(found.length === wanted ? { resource: query.resource, tickets } : undefined);
      if (found.length === wanted || kept === undefined) return found;
      kept = undefined;
    }
  }

  #keep(scanned: Scanned | undefined): void {
    clearTimeout(this.#dropping);
    this.#kept = scanned;
    if (scanned !== undefined) this.#dropping = setTimeout(() => this.#keep(undefined), KEEP_SCAN_MS).unref();
  }
}

function narrowest({ ids, agentId, resource }: LeaseQuery): Narrow {
  if (ids !== undefined) return { kind: "ids", args: ids.map((id) => `l${id}`) };
  if (agentId !== undefined) return { kind: "agent", args: [encodeAgent(agentId)] };
  if (resource !== undefined) return { kind: "resource", args: [utf8(`r${resource}`)] };
  return { kind: "all", args: [] };
}
