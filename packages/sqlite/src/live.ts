/** Live leases as rows of `live`: how one is found, and what is written when it is entered, changed and taken out. */
import { decode, encode, idKey, type LeaseRow, type StoredLease, stateNumber } from "./codec.js";
import { storedClaim } from "./conflicts.js";
import { KIND, type Known, type Statements, type StoredClaim } from "./statements.js";

/** Stands for a row that a claim points to and that is not there: decoding it says that the file is damaged. */
const MISSING: Omit<LeaseRow, "id"> = { token: 0, state: 0, expires: 0, given_ms: 0, body: "" };

/** So many rows are remembered, the newest. */
const MAX_ROWS = 10_000;

export class LiveLeases {
  readonly #statements: Statements;
  #known: Pick<Known, "rows" | "has_line"> = { rows: new Map(), has_line: null };

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  begin(known: Known): void {
    this.#known = known;
  }

  /** Whether anybody stands in line. */
  hasLine(): boolean {
    this.#known.has_line ??= this.#statements.hasLine.get() as number;
    return this.#known.has_line === 1;
  }

  /** The lease of an id, live or dead. */
  find(id: string): StoredLease | undefined {
    const row = this.#known.rows.get(id) ?? this.#statements.lease.get(idKey(id));
    return row && decode(row, id);
  }

  /** A lease that a claim says is there. @throws `BACKEND_CORRUPT` when it is not */
  at(key: string): StoredLease {
    return decode(this.#statements.lease.get(key) ?? { ...MISSING, id: key });
  }

  insert(lease: StoredLease): void {
    const { insertLease, insertClaims, insertPlace } = this.#statements;
    lease.text = encode(lease);
    const { key: id, agentId, token, expires, givenMs, text } = lease;
    const state = stateNumber(lease.state);
    const [first, ...others] = lease.claims.map(storedClaim);
    if (first === undefined) return;
    const { kind, key, mode } = first;
    insertLease.run(id, token, state, expires, givenMs, text, agentId, kind, key, token, mode, id);
    insertClaims(others, token, id);
    this.#remember(lease);
    if (lease.state !== "pending") return;
    insertPlace.run(token, id);
    this.#known.has_line = 1;
  }

  /** Writes a lease whose record changed. */
  change(lease: StoredLease): void {
    lease.text = encode(lease);
    this.save(lease);
  }

  /** Writes a lease of which only the time changed. */
  save(lease: StoredLease): void {
    const { key, token, state, expires, givenMs, text } = lease;
    this.#statements.updateLease.run(stateNumber(state), expires, givenMs, text, key, token);
    this.#remember(lease);
  }

  leaveLine(lease: StoredLease): void {
    this.#statements.removePlace.run(lease.token);
    this.#known.has_line = null;
  }

  remove(lease: StoredLease): void {
    const { removeLease } = this.#statements;
    const { token } = lease;
    this.#known.rows.delete(lease.id);
    const [first, ...others] = lease.claims.map(storedClaim);
    if (first === undefined) return;
    removeLease.run(lease.key, token, first.kind, first.key, token);
    if (others.length > 0) this.#removeClaims(others, token);
    if (lease.state === "pending") this.leaveLine(lease);
  }

  /** A holder comes back to renew and release: its row need not be read again then. */
  #remember({ id, key, token, state, expires, givenMs, text }: StoredLease): void {
    this.#known.rows.set(id, {
      id: key,
      token,
      state: stateNumber(state),
      expires,
      given_ms: givenMs,
      body: text,
    });
    if (this.#known.rows.size <= MAX_ROWS) return;
    for (const oldest of this.#known.rows.keys()) {
      this.#known.rows.delete(oldest);
      break;
    }
  }

  #removeClaims(claims: readonly StoredClaim[], token: number): void {
    const { removeClaims } = this.#statements;
    for (const kind of [KIND.claim, KIND.subtree]) {
      const keys = claims.filter((claim) => claim.kind === kind).map(({ key }) => key);
      removeClaims(kind, token, keys);
    }
  }
}
