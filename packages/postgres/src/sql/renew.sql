-- renew: id, agent, token, ttl, renewal
-- answers: ["N", record] renewed · ["R", record] repeated · ["x", record] out of order · ["l", most] at its limit
--          ["v", by, why] revoked · ["e"] expired · ["p"] pending · ["o"] another's · ["-"] not there
CREATE FUNCTION lease.renew_v1(INOUT s lease.step, op lease.operation) LANGUAGE plpgsql AS $$
DECLARE
  l lease.live;
  gone lease.ended;
  renewal bigint;
BEGIN
  SELECT * INTO l FROM lease.live WHERE space = s.space AND id = op.id;
  IF l.expires <= s.now THEN
    s := lease.expire_v1(s, l);
    l := NULL;
  END IF;
  IF l.id IS NULL THEN
    SELECT * INTO gone FROM lease.ended WHERE space = s.space AND id = op.id AND forget_at > s.now;
    s.answer := CASE
      WHEN gone.agent <> op.agent THEN '["o"]'
      WHEN gone.how = 'expired' THEN '["e"]'
      WHEN gone.how = 'revoked' THEN json_build_array('v', gone.actor, gone.why)::text
      ELSE '["-"]' END;
    RETURN;
  END IF;
  renewal := coalesce(op.renewal, l.renewals + 1);
  s.answer := CASE
    WHEN l.agent <> op.agent OR l.token <> op.token THEN '["o"]'
    WHEN NOT l.active THEN '["p"]'
    WHEN l.refused_from <= s.now THEN json_build_array('v', l.revoked_by, l.revoked_why)::text
    WHEN renewal > l.renewals + 1 THEN '["x",' || lease.record_v1(l) || ']'
    -- A repeat extends nothing: repeated at the limit, it would otherwise hold for ever.
    WHEN renewal <= l.renewals THEN '["R",' || lease.record_v1(l) || ']'
    WHEN renewal > l.max_renewals THEN json_build_array('l', l.max_renewals)::text
  END;
  IF s.answer IS NOT NULL THEN RETURN; END IF;
  l.renewals := renewal;
  l.expires := greatest(l.expires, s.now + coalesce(op.ttl, l.ttl));
  UPDATE lease.live SET renewals = l.renewals, expires = l.expires WHERE space = s.space AND id = l.id;
  IF s.record_renewals THEN s := lease.record_entry_v1(s, l, 'renewed', NULL, NULL); END IF;
  s.answer := '["N",' || lease.record_v1(l) || ']';
END $$;
