-- acquire: id, agent, bases, subtree, exclusive, ttl, wait, wait_ttl, max_renewals, reason, facts
-- answers: ["G", record] granted · ["R", record] repeated · ["F", record or null, count, in ms, [blocker …]] refused
--          ["E", how, actor, why] ended · ["O"] another agent's · ["C"] other claims · ["T"] the clock leaves no token
CREATE FUNCTION lease.acquire_v1(INOUT s lease.step, op lease.operation) LANGUAGE plpgsql AS $$
DECLARE
  mine lease.live;
  gone lease.ended;
  rival lease.live;
  blockers integer := 0;
  soonest bigint;
  shown json[] := '{}';
BEGIN
  SELECT * INTO mine FROM lease.live WHERE space = s.space AND id = op.id;
  IF mine.expires <= s.now THEN
    s := lease.expire_v1(s, mine);
    mine := NULL;
  END IF;
  IF mine.id IS NULL THEN
    SELECT * INTO gone FROM lease.ended WHERE space = s.space AND id = op.id AND forget_at > s.now;
    IF FOUND THEN
      s.answer := CASE gone.agent WHEN op.agent THEN json_build_array('E', gone.how, gone.actor, gone.why)::text ELSE '["O"]' END;
      RETURN;
    END IF;
  ELSIF mine.agent <> op.agent THEN
    s.answer := '["O"]';
    RETURN;
  ELSIF NOT lease.same_claims_v1(mine, op) THEN
    s.answer := '["C"]';
    RETURN;
  ELSIF mine.active THEN
    s.answer := '["R",' || lease.record_v1(mine) || ']';
    RETURN;
  END IF;

  FOR rival IN
    SELECT * FROM lease.rivals_v1(s, op.bases, op.subtree, op.exclusive, coalesce(mine.token, 9223372036854775807))
  LOOP
    IF rival.expires <= s.now THEN
      s := lease.expire_v1(s, rival);
      CONTINUE;
    END IF;
    blockers := blockers + 1;
    soonest := least(soonest, rival.expires);
    IF blockers <= 8 THEN shown := shown || lease.record_v1(rival)::json; END IF;
  END LOOP;

  IF blockers = 0 THEN
    IF mine.id IS NULL THEN
      mine := lease.entered_v1(s, op, true);
      IF mine.id IS NULL THEN s.answer := '["T"]'; RETURN; END IF;
      s := lease.enter_v1(s, mine);
    ELSE
      mine.active := true; mine.acquired := s.now; mine.expires := s.now + mine.ttl; mine.client := NULL;
      UPDATE lease.live SET active = true, acquired = mine.acquired, expires = mine.expires, client = NULL
        WHERE space = s.space AND id = mine.id;
      s.queued := s.queued - 1;
    END IF;
    s := lease.record_entry_v1(s, mine, 'acquired', NULL, NULL);
    s.answer := '["G",' || lease.record_v1(mine) || ']';
    RETURN;
  END IF;

  IF op.wait = 'n' THEN
    IF mine.id IS NOT NULL THEN s := lease.end_v1(s, mine, 'cancelled', NULL, NULL); END IF;
    mine := NULL;
  ELSIF mine.id IS NOT NULL THEN
    mine.expires := s.now + op.wait_ttl;
    UPDATE lease.live SET expires = mine.expires, client = s.client WHERE space = s.space AND id = mine.id;
  ELSE
    mine := lease.entered_v1(s, op, false);
    IF mine.id IS NULL THEN s.answer := '["T"]'; RETURN; END IF;
    s := lease.enter_v1(s, mine);
    s := lease.record_entry_v1(s, mine, 'queued', NULL, NULL);
  END IF;
  s.answer := json_build_array('F', lease.record_v1(mine)::json, blockers, soonest - s.now, array_to_json(shown))::text;
END $$;

-- A new lease, with the next token; null where the clock is so far in the future (the year 2255) that tokens would end.
CREATE FUNCTION lease.entered_v1(s lease.step, op lease.operation, active boolean) RETURNS lease.live LANGUAGE plpgsql AS $$
DECLARE
  l lease.live;
  token bigint := greatest(s.last + 1, s.moment);
BEGIN
  IF token >= 9007199254740992 THEN RETURN NULL; END IF;
  l.space := s.space; l.id := op.id; l.token := token; l.agent := op.agent; l.active := active;
  l.bases := op.bases; l.subtree := op.subtree; l.exclusive := op.exclusive;
  l.expires := s.now + CASE WHEN active THEN op.ttl ELSE op.wait_ttl END;
  l.ttl := op.ttl; l.requested := s.now; l.renewals := 0; l.max_renewals := op.max_renewals;
  l.reason := op.reason; l.facts := op.facts;
  IF active THEN l.acquired := s.now; ELSE l.client := s.client; END IF;
  RETURN l;
END $$;

CREATE FUNCTION lease.enter_v1(INOUT s lease.step, l lease.live) LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO lease.live SELECT l.*;
  INSERT INTO lease.claim SELECT l.space, c.base, l.token, c.subtree, c.exclusive, l.id
    FROM unnest(l.bases, l.subtree, l.exclusive) AS c (base, subtree, exclusive);
  IF NOT l.active THEN s.queued := s.queued + 1; END IF;
  IF true = ANY (l.subtree) THEN s.subtrees := s.subtrees + cardinality(array_positions(l.subtree, true)); END IF;
END $$;
