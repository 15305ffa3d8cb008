-- A page of live leases and the end of the history, of one snapshot. Answers [now, epoch, last, record …] as JSON.
CREATE FUNCTION lease.list_v1(space_name text, ids uuid[], of_agent text, base text, is_subtree boolean, is_active boolean, after bigint, most integer)
RETURNS text LANGUAGE sql STABLE AS $$
  WITH n AS (
    SELECT id, epoch, last,
      greatest(moment, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) / 1000 AS now
    FROM lease.namespace WHERE name = space_name
  ), found AS (
    SELECT lease.record_v1(l) AS record, l.token FROM n JOIN lease.live l ON l.space = n.id
    WHERE l.token > after AND l.expires > n.now
      AND (ids IS NULL OR l.id = ANY (ids))
      AND (of_agent IS NULL OR l.agent = of_agent)
      AND (is_active IS NULL OR l.active = is_active)
      AND (base IS NULL OR l.id IN (
        SELECT c.id FROM lease.claim c WHERE c.space = n.id AND c.base = list_v1.base
        UNION ALL
        SELECT c.id FROM lease.claim c
          WHERE c.space = n.id AND c.subtree AND c.base = ANY (ARRAY(SELECT lease.above_v1(list_v1.base)))
        UNION ALL
        SELECT c.id FROM lease.below_v1(n.id, list_v1.base) c WHERE is_subtree))
    ORDER BY l.token LIMIT most
  )
  SELECT '[' || concat_ws(',', n.now, to_json(n.epoch), n.last, (SELECT string_agg(record, ',' ORDER BY token) FROM found)) || ']' FROM n
$$;

-- Entries after one, and the bounds of the history, of one snapshot. Answers
-- [epoch, pruned, last, whether the entry `after` is known, [sequence, at, type, actor, why, record] …] as JSON.
CREATE FUNCTION lease.history_v1(space_name text, after bigint, most integer) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT '[' || concat_ws(',', to_json(n.epoch), n.pruned, n.last,
    to_json(after = n.pruned OR EXISTS (SELECT FROM lease.history h WHERE h.space = n.id AND h.sequence = after)),
    (SELECT string_agg(json_build_array(h.sequence, h.at, h.type, h.actor, h.why, h.record::json)::text, ',' ORDER BY h.sequence)
     FROM (SELECT * FROM lease.history h WHERE h.space = n.id AND h.sequence > after ORDER BY h.sequence LIMIT most) h)) || ']'
  FROM lease.namespace n WHERE n.name = space_name
$$;

-- Wants to be notified of new entries for a while. Answers the number that names the channel.
CREATE FUNCTION lease.follow_v1(space_name text, for_ms bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  s lease.step := lease.begin_v1(space_name, NULL, 0, true);
BEGIN
  UPDATE lease.namespace SET moment = s.moment, followed_until = greatest(followed_until, s.now + for_ms) WHERE id = s.space;
  RETURN s.space;
END $$;
