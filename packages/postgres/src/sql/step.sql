-- Begins a step: takes the namespace's lock, which is held until the commit, and reads the clock only then. The row lock
-- also makes a transaction that began on an older state fail (40001) where the default isolation is not READ COMMITTED.
CREATE FUNCTION lease.begin_v1(name text, client text, end_memory bigint, record_renewals boolean) RETURNS lease.step LANGUAGE plpgsql AS $$
DECLARE
  n lease.namespace;
  s lease.step;
BEGIN
  SELECT * INTO n FROM lease.namespace WHERE namespace.name = begin_v1.name FOR UPDATE;
  IF NOT FOUND THEN
    INSERT INTO lease.namespace (name, epoch) VALUES (begin_v1.name, replace(gen_random_uuid()::text, '-', ''))
      ON CONFLICT DO NOTHING;
    SELECT * INTO n FROM lease.namespace WHERE namespace.name = begin_v1.name FOR UPDATE;
  END IF;
  s.space := n.id;
  s.moment := greatest(n.moment, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
  s.now := s.moment / 1000;
  s.last := n.last; s.queued := n.queued; s.subtrees := n.subtrees;
  s.client := client; s.end_memory := end_memory; s.record_renewals := record_renewals; s.recorded := false;
  RETURN s;
END $$;

-- Ends it: keeps the counters, and notifies followers while there are any.
CREATE FUNCTION lease.commit_v1(s lease.step) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  followed bigint;
BEGIN
  UPDATE lease.namespace SET moment = s.moment, last = s.last, queued = s.queued, subtrees = s.subtrees
    WHERE id = s.space RETURNING followed_until INTO followed;
  IF s.recorded AND followed > s.now THEN PERFORM pg_notify('lease_history_' || s.space, ''); END IF;
END $$;

-- Carries out a batch in its order, in one transaction. Answers [now, answer …] as JSON.
CREATE FUNCTION lease.step_v1(name text, client text, end_memory bigint, record_renewals boolean, batch json)
RETURNS text LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
  s lease.step := lease.begin_v1(name, client, end_memory, record_renewals);
  op lease.operation;
  answers text;
BEGIN
  answers := '[' || s.now;
  FOR op IN SELECT * FROM json_populate_recordset(NULL::lease.operation, batch) LOOP
    s.answer := NULL;
    CASE op.kind
      WHEN 'acquire' THEN s := lease.acquire_v1(s, op);
      WHEN 'renew' THEN s := lease.renew_v1(s, op);
      WHEN 'turn' THEN s := lease.turn_v1(s, op);
      ELSE s := lease.release_v1(s, op);
    END CASE;
    answers := answers || ',' || s.answer;
  END LOOP;
  PERFORM lease.commit_v1(s);
  RETURN answers || ']';
END $$;

-- turn: id. Answers [] when the turn of a pending lease may have come, otherwise [ms until time alone could bring it].
CREATE FUNCTION lease.turn_v1(INOUT s lease.step, op lease.operation) LANGUAGE plpgsql AS $$
DECLARE
  l lease.live;
BEGIN
  SELECT * INTO l FROM lease.live WHERE space = s.space AND id = op.id;
  IF l.id IS NULL OR l.active OR l.expires <= s.now THEN
    s.answer := '[]';
  ELSE
    -- From now on this client is the one to notify.
    IF l.client <> s.client THEN UPDATE lease.live SET client = s.client WHERE space = s.space AND id = l.id; END IF;
    s.answer := coalesce('[' || lease.blocked_for_v1(s, l) || ']', '[]');
  END IF;
END $$;
