-- The bases of the subtrees around a base: of `a/b` these are '' and `a`.
CREATE FUNCTION lease.above_v1(base text) RETURNS SETOF text LANGUAGE sql IMMUTABLE AS $$
  SELECT array_to_string((string_to_array(base, '/'))[1:depth], '/')
  FROM generate_series(0, cardinality(string_to_array(base, '/')) - 1) AS depth
$$;

-- The leases with a claim that conflicts with one of these, in order of token, of those with smaller tokens than `before`:
-- also ones that are over. Subtrees are looked for only while there are any.
CREATE FUNCTION lease.rivals_v1(s lease.step, my_bases text[], my_subtree boolean[], my_exclusive boolean[], before bigint)
RETURNS SETOF lease.live LANGUAGE plpgsql ROWS 1 AS $$
BEGIN
  IF s.subtrees = 0 AND NOT true = ANY (my_subtree) THEN
    RETURN QUERY SELECT l.* FROM lease.live l WHERE l.space = s.space AND l.id IN (
      SELECT c.id FROM unnest(my_bases, my_exclusive) AS mine (base, exclusive)
        JOIN lease.claim c ON c.space = s.space AND c.base = mine.base AND c.token < before
        WHERE c.exclusive OR mine.exclusive
    ) ORDER BY l.token;
    RETURN;
  END IF;
  RETURN QUERY SELECT l.* FROM lease.live l WHERE l.space = s.space AND l.id IN (
    SELECT c.id FROM unnest(my_bases, my_exclusive) AS mine (base, exclusive)
      JOIN lease.claim c ON c.space = s.space AND c.base = mine.base AND c.token < before
      WHERE c.exclusive OR mine.exclusive
    UNION ALL
    SELECT c.id FROM unnest(my_bases, my_exclusive) AS mine (base, exclusive), lease.above_v1(mine.base) AS above
      JOIN lease.claim c ON c.space = s.space AND c.base = above AND c.subtree AND c.token < before
      WHERE c.exclusive OR mine.exclusive
    UNION ALL
    -- Below `a` lies what is from `a/` to before `a0`, since `0` follows `/`; below the empty base lies all.
    SELECT c.id FROM unnest(my_bases, my_subtree, my_exclusive) AS mine (base, subtree, exclusive)
      JOIN lease.claim c ON c.space = s.space AND c.token < before
        AND c.base >= CASE mine.base WHEN '' THEN '' ELSE mine.base || '/' END
        AND (mine.base = '' OR c.base < mine.base || '0')
      WHERE mine.subtree AND (c.exclusive OR mine.exclusive)
  ) ORDER BY l.token;
END $$;

-- When time alone could let a pending lease be granted, in ms from now; null when it may be granted as things are.
CREATE FUNCTION lease.blocked_for_v1(s lease.step, l lease.live) RETURNS bigint LANGUAGE sql AS $$
  SELECT least(min(r.expires), l.expires) - s.now
  FROM lease.rivals_v1(s, l.bases, l.subtree, l.exclusive, l.token) r
  WHERE r.expires > s.now HAVING count(*) > 0
$$;

-- Whether two lists hold the same claims in any order.
CREATE FUNCTION lease.same_claims_v1(l lease.live, op lease.operation) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT (l.bases COLLATE "C", l.subtree, l.exclusive) = (op.bases COLLATE "C", op.subtree, op.exclusive) OR
    (SELECT array_agg(c ORDER BY c.base COLLATE "C", c.subtree) FROM unnest(l.bases COLLATE "C", l.subtree, l.exclusive) AS c (base, subtree, exclusive)) =
    (SELECT array_agg(c ORDER BY c.base COLLATE "C", c.subtree) FROM unnest(op.bases COLLATE "C", op.subtree, op.exclusive) AS c (base, subtree, exclusive))
$$;
