-- A lease as the client reads it, as JSON.
CREATE FUNCTION lease.record_v1(l lease.live) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN json_build_array(l.id, l.token, l.agent, l.active, l.bases, l.subtree, l.exclusive, l.expires, l.ttl,
    l.requested, l.acquired, l.renewals, l.max_renewals, l.reason, l.facts,
    l.refused_from, l.revoked_by, l.revoked_why)::text;
END $$;

-- Adds an entry to the history. The entry that brings a new token has that token for its number.
CREATE FUNCTION lease.record_entry_v1(INOUT s lease.step, l lease.live, type text, actor text, why text) LANGUAGE plpgsql AS $$
BEGIN
  IF l.token <= s.last THEN s.last := greatest(s.last + 1, s.moment); ELSE s.last := l.token; END IF;
  INSERT INTO lease.history VALUES (s.space, s.last, s.now, type, actor, why, lease.record_v1(l));
  s.recorded := true;
END $$;
