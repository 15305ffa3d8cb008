/** What is measured beside what: one small adapter a file, in `contenders/`. */

export const BACKENDS = ["memory", "sqlite", "redis", "postgres", "etcd"] as const;
export type BackendName = (typeof BACKENDS)[number];

/** ours: this project; raw: the least that does anything like it, the limit; peer: what one would install instead. */
export type Kind = "ours" | "raw" | "peer";

/** Where a contender keeps what it takes. Plain data: a child process gets it, too. */
export interface Place {
  readonly backend: BackendName;
  /** A URL for Redis and Postgres, `host:port` for etcd, a folder for SQLite and lock files, nothing in memory. */
  readonly address: string;
  /** Keeps cases that share a server apart. */
  readonly namespace: string;
  /** How SQLite syncs; NORMAL is the default of `@lease/sqlite`. */
  readonly synchronous?: "NORMAL" | "FULL";
}

/** Which of so many processes this is: for contenders that pass things on by name. */
export interface Seat {
  readonly number: number;
  readonly of: number;
}

export interface Contender {
  readonly name: string;
  readonly kind: Kind;
  /** Where it can be measured. */
  readonly backends: readonly BackendName[];
  /** npm packages whose versions the results name. */
  readonly packages: readonly string[];
  /** The commands of Redis that it sends itself: what its scripts call in turn is counted beside them otherwise. */
  readonly sends?: readonly string[];
  /** It takes several at once, all or nothing. */
  readonly takesMany?: boolean;
  /** What it holds can be renewed by hand. */
  readonly renews?: boolean;
  /** It passes something on between processes, and locks nothing. */
  readonly onlyPasses?: boolean;
  /** It can stand in line, or does something like it; default true. */
  readonly waits?: boolean;
  open(place: Place, seat?: Seat): Promise<Claimer>;
}

/** An open contender: a client with one connection, however many callers it has. */
export interface Claimer {
  /** Takes what is free. It throws when it is not. */
  take(names: readonly string[], caller: number): Held | Promise<Held>;
  /** Takes it when its turn comes, however long that is. */
  takeInTurn?(name: string, caller: number): Promise<Held>;
  /** Between rounds, outside of what is timed: drops what would pile up, such as history. */
  tidy?(): Promise<void>;
  close(): void | Promise<void>;
}

export interface Held {
  renew?(): unknown;
  release(): unknown;
}
