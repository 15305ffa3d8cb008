-- Ends what is past its time, at most `most`, by token. Answers [now, whether there may be more, [how, record] …] as JSON.
CREATE FUNCTION lease.sweep_v1(name text, end_memory bigint, most bigint)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  s lease.step := lease.begin_v1(name, NULL, end_memory, true);
  l lease.live;
  swept bigint := 0;
  ended text := '';
  more boolean := false;
BEGIN
  FOR l IN SELECT * FROM lease.live WHERE space = s.space AND expires <= s.now ORDER BY token LIMIT most + 1 LOOP
    IF swept = most THEN more := true; EXIT; END IF;
    swept := swept + 1;
    s := lease.expire_v1(s, l);
    ended := ended || format(',[%s,%s]', CASE WHEN l.refused_from IS NULL THEN '"expired"' ELSE '"revoked"' END, lease.record_v1(l));
  END LOOP;
  DELETE FROM lease.ended WHERE space = s.space AND forget_at <= s.now;
  PERFORM lease.commit_v1(s);
  RETURN format('[%s,%s%s]', s.now, to_json(more), ended);
END $$;

-- Prunes at most `most` entries older than `retention` ms. Answers how many there were.
CREATE FUNCTION lease.prune_v1(name text, retention bigint, most integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  s lease.step := lease.begin_v1(name, NULL, 0, true);
  through bigint;
  pruned integer;
BEGIN
  -- In the order of their numbers: an entry is old enough only if all before it are.
  SELECT max(h.sequence) INTO through FROM (
    SELECT sequence, at FROM lease.history WHERE space = s.space ORDER BY sequence LIMIT most
  ) h WHERE h.at <= s.now - retention;
  IF through IS NULL THEN RETURN 0; END IF;
  UPDATE lease.namespace SET pruned = through WHERE id = s.space;
  DELETE FROM lease.history WHERE space = s.space AND sequence <= through;
  GET DIAGNOSTICS pruned = ROW_COUNT;
  RETURN pruned;
END $$;
