-- What is kept. Times are whole ms since 1970, on the server's clock; `moment` alone is in µs.

CREATE SCHEMA IF NOT EXISTS lease;

-- One row a namespace: its lock is held for the whole of a step, so steps of one namespace come one after the other.
CREATE TABLE lease.namespace (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  -- Names this history, so that a cursor of another one is noticed.
  epoch text NOT NULL,
  -- The newest moment that a step saw, in µs. A clock that is set back does not take it back.
  moment bigint NOT NULL DEFAULT 0,
  -- The newest token or number of an entry.
  last bigint NOT NULL DEFAULT 0,
  -- The newest entry that was pruned.
  pruned bigint NOT NULL DEFAULT 0,
  -- How many leases are pending, and how many claims are of subtrees.
  queued integer NOT NULL DEFAULT 0,
  subtrees integer NOT NULL DEFAULT 0,
  -- Until when a follower wants to be notified of new entries.
  followed_until bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0.01);

-- Pending and active leases, also those whose time is over and which no step has met since.
CREATE TABLE lease.live (
  space integer NOT NULL,
  id uuid NOT NULL,
  token bigint NOT NULL,
  agent text COLLATE "C" NOT NULL,
  active boolean NOT NULL,
  -- The claims, in the order of the request: `src/**` has the base `src` and is a subtree.
  bases text[] COLLATE "C" NOT NULL,
  subtree boolean[] NOT NULL,
  exclusive boolean[] NOT NULL,
  expires bigint NOT NULL,
  ttl bigint NOT NULL,
  requested bigint NOT NULL,
  acquired bigint,
  renewals bigint NOT NULL,
  max_renewals bigint,
  reason text,
  -- JSON of what no step looks at: `[holding, metadata]`. As text, since `json` of Postgres refuses "\u0000".
  facts text NOT NULL,
  -- A soft revoke under way: from when on renewals are refused, who asked and why.
  refused_from bigint,
  revoked_by text,
  revoked_why text,
  -- The client that asked last for a pending one: it listens on the channel of that name.
  client text,
  PRIMARY KEY (space, id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
-- The token first: with the namespace first, a planner without statistics takes this index for look-ups by id.
CREATE INDEX live_token ON lease.live (token, space);

-- One row a claim, in the order of the queue for its base.
CREATE TABLE lease.claim (
  space integer NOT NULL,
  base text COLLATE "C" NOT NULL,
  token bigint NOT NULL,
  subtree boolean NOT NULL,
  exclusive boolean NOT NULL,
  id uuid NOT NULL,
  PRIMARY KEY (space, base, token, subtree)
) WITH (autovacuum_vacuum_scale_factor = 0.01);

-- How ids ended by time or by force, so that each has one life.
CREATE TABLE lease.ended (
  space integer NOT NULL,
  id uuid NOT NULL,
  agent text NOT NULL,
  how text NOT NULL,
  actor text,
  why text,
  forget_at bigint NOT NULL,
  PRIMARY KEY (space, id)
);

CREATE TABLE lease.history (
  space integer NOT NULL,
  sequence bigint NOT NULL,
  at bigint NOT NULL,
  type text NOT NULL,
  actor text,
  why text,
  -- The lease right after it, as `lease.record_v1` writes it.
  record text NOT NULL,
  PRIMARY KEY (space, sequence)
);

-- One operation of a batch, as the client sends it. What an operation does not need is null.
CREATE TYPE lease.operation AS (
  kind text,
  id uuid,
  agent text,
  token bigint,
  bases text[],
  subtree boolean[],
  exclusive boolean[],
  ttl bigint,
  -- n: no, q: queue.
  wait text,
  wait_ttl bigint,
  max_renewals bigint,
  renewal bigint,
  grace bigint,
  actor text,
  reason text,
  facts text
);

-- A step under way: what its operations share.
CREATE TYPE lease.step AS (
  space integer,
  now bigint,
  -- The same moment in µs.
  moment bigint,
  last bigint,
  queued integer,
  subtrees integer,
  client text,
  end_memory bigint,
  record_renewals boolean,
  recorded boolean,
  -- What the operation in hand is answered, as JSON.
  answer text
);
