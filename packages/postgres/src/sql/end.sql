-- Notifies the clients of the pending leases that may be granted now that a lease is gone. For each of its claims the walk
-- goes through what overlaps it, and ends at the first that lets no later one pass.
CREATE FUNCTION lease.wake_v1(s lease.step, gone lease.live) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  met record;
  waiter lease.live;
BEGIN
  FOR i IN 1 .. cardinality(gone.bases) LOOP
    FOR met IN
      SELECT c.token, c.exclusive, c.id, c.subtree OR NOT gone.subtree[i] AS covers FROM lease.claim c
        WHERE c.space = s.space AND c.base = gone.bases[i]
      UNION ALL
      SELECT c.token, c.exclusive, c.id, true FROM lease.above_v1(gone.bases[i]) AS above
        CROSS JOIN LATERAL (SELECT * FROM lease.claim c WHERE c.space = s.space AND c.base = above OFFSET 0) c
        WHERE s.subtrees > 0 AND c.subtree
      UNION ALL
      SELECT c.token, c.exclusive, c.id, false FROM lease.below_v1(s.space, gone.bases[i]) c
        WHERE gone.subtree[i]
      ORDER BY token
    LOOP
      SELECT * INTO waiter FROM lease.live WHERE space = s.space AND id = met.id;
      CONTINUE WHEN waiter.expires <= s.now;
      IF NOT waiter.active AND waiter.token > gone.token AND lease.blocked_for_v1(s, waiter) IS NULL THEN
        PERFORM pg_notify('lease_' || waiter.client, waiter.id::text);
      END IF;
      EXIT WHEN met.exclusive AND met.covers;
    END LOOP;
  END LOOP;
END $$;

-- Remembers how an id ended, so that it has one life.
CREATE FUNCTION lease.bury_v1(s lease.step, gone uuid, agent text, how text, actor text, why text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO lease.ended VALUES (s.space, gone, agent, how, actor, why, s.now + s.end_memory)
  ON CONFLICT ON CONSTRAINT ended_pkey DO UPDATE
    SET how = excluded.how, actor = excluded.actor, why = excluded.why, forget_at = excluded.forget_at;
END $$;

-- Ends a lease.
CREATE FUNCTION lease.end_v1(INOUT s lease.step, l lease.live, how text, actor text, why text) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. cardinality(l.bases) LOOP
    DELETE FROM lease.claim WHERE space = s.space AND base = l.bases[i] AND token = l.token;
  END LOOP;
  DELETE FROM lease.live WHERE space = s.space AND id = l.id;
  IF NOT l.active THEN
    s.queued := s.queued - 1;
    PERFORM pg_notify('lease_' || l.client, l.id::text);
  END IF;
  IF true = ANY (l.subtree) THEN s.subtrees := s.subtrees - cardinality(array_positions(l.subtree, true)); END IF;
  IF how IN ('expired', 'revoked') THEN PERFORM lease.bury_v1(s, l.id, l.agent, how, actor, why); END IF;
  s := lease.record_entry_v1(s, l, how, actor, why);
  IF s.queued > 0 THEN PERFORM lease.wake_v1(s, l); END IF;
END $$;

-- Ends a lease whose time is over: as revoked, if a soft revoke was under way.
CREATE FUNCTION lease.expire_v1(INOUT s lease.step, l lease.live) LANGUAGE plpgsql AS $$
BEGIN
  s := lease.end_v1(s, l, CASE WHEN l.refused_from IS NULL THEN 'expired' ELSE 'revoked' END, l.revoked_by, l.revoked_why);
END $$;
