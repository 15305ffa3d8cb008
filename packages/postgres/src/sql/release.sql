-- release and abandon: id, agent, token · revoke: id, by, reason, grace
-- answers: ["released"], ["cancelled"], ["revoked"], ["revoking"], ["not-owner"] or ["not-found"]
CREATE FUNCTION lease.release_v1(INOUT s lease.step, op lease.operation) LANGUAGE plpgsql AS $$
DECLARE
  l lease.live;
  gone lease.ended;
  how text;
BEGIN
  SELECT * INTO l FROM lease.live WHERE space = s.space AND id = op.id;
  IF l.expires <= s.now THEN
    s := lease.expire_v1(s, l);
    l := NULL;
  END IF;
  IF l.id IS NULL THEN
    s.answer := '["not-found"]';
    IF op.kind = 'revoke' THEN RETURN; END IF;
    SELECT * INTO gone FROM lease.ended WHERE space = s.space AND id = op.id AND forget_at > s.now;
    IF gone.agent <> op.agent THEN
      s.answer := '["not-owner"]';
    ELSIF op.kind = 'abandon' THEN
      PERFORM lease.bury_v1(s, op.id, op.agent, coalesce(gone.how, 'cancelled'), gone.actor, gone.why);
    END IF;
    RETURN;
  END IF;

  IF op.kind = 'revoke' THEN
    IF op.grace = 0 OR NOT l.active THEN
      s := lease.end_v1(s, l, 'revoked', op.actor, op.reason);
      s.answer := '["revoked"]';
      RETURN;
    END IF;
    -- A later revoke may shorten the grace, never lengthen it.
    IF l.refused_from IS NULL OR s.now + op.grace < l.refused_from THEN
      l.refused_from := s.now + op.grace; l.revoked_by := op.actor; l.revoked_why := op.reason;
      UPDATE lease.live SET refused_from = l.refused_from, revoked_by = l.revoked_by, revoked_why = l.revoked_why
        WHERE space = s.space AND id = l.id;
      s := lease.record_entry_v1(s, l, 'revoking', op.actor, op.reason);
    END IF;
    s.answer := '["revoking"]';
    RETURN;
  END IF;

  IF l.agent <> op.agent OR l.token <> op.token THEN
    s.answer := '["not-owner"]';
    RETURN;
  END IF;
  how := CASE WHEN l.active THEN 'released' ELSE 'cancelled' END;
  s := lease.end_v1(s, l, how, NULL, NULL);
  IF op.kind = 'abandon' THEN PERFORM lease.bury_v1(s, l.id, l.agent, how, NULL, NULL); END IF;
  s.answer := json_build_array(how)::text;
END $$;
