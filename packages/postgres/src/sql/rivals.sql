-- The bases of the subtrees around a base: of `a/b` these are '' and `a`.
CREATE FUNCTION lease.above_v1(base text) RETURNS SETOF text LANGUAGE sql IMMUTABLE AS $$
  SELECT array_to_string((string_to_array(base, '/'))[1:depth], '/')
  FROM generate_series(0, cardinality(string_to_array(base, '/')) - 1) AS depth
$$;

-- The claims below a base: from `a/` to before `a0`, since `0` follows `/`; below the empty base lie all.
CREATE FUNCTION lease.below_v1(of_space integer, base text) RETURNS SETOF lease.claim LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF base = '' THEN
    RETURN QUERY SELECT c.* FROM lease.claim c WHERE c.space = of_space AND c.base > '';
  ELSE
    RETURN QUERY SELECT c.* FROM lease.claim c
      WHERE c.space = of_space AND c.base >= below_v1.base || '/' AND c.base < below_v1.base || '0';
  END IF;
END $$;

-- The leases with a claim that conflicts with one of these, in order of token, of those with smaller tokens than `before`:
-- also ones that are over. Subtrees are looked for only while there are any. Claim by claim, with the first columns of an
-- index equal to one value each: a planner that knows no statistics yet then has nothing to choose.
CREATE FUNCTION lease.rivals_v1(s lease.step, my_bases text[], my_subtree boolean[], my_exclusive boolean[], before bigint)
RETURNS SETOF lease.live LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
  ids uuid[] := '{}';
BEGIN
  FOR i IN 1 .. cardinality(my_bases) LOOP
    ids := ids || ARRAY(
      SELECT c.id FROM lease.claim c
      WHERE c.space = s.space AND c.base = my_bases[i] AND c.token < before AND (c.exclusive OR my_exclusive[i]));
    IF s.subtrees > 0 THEN
      ids := ids || ARRAY(
        SELECT c.id FROM lease.above_v1(my_bases[i]) AS above
          CROSS JOIN LATERAL (SELECT * FROM lease.claim c WHERE c.space = s.space AND c.base = above OFFSET 0) c
        WHERE c.subtree AND c.token < before AND (c.exclusive OR my_exclusive[i]));
    END IF;
    IF my_subtree[i] THEN
      ids := ids || ARRAY(
        SELECT c.id FROM lease.below_v1(s.space, my_bases[i]) c
        WHERE c.token < before AND (c.exclusive OR my_exclusive[i]));
    END IF;
  END LOOP;
  IF ids <> '{}' THEN
    RETURN QUERY SELECT l.* FROM lease.live l WHERE l.space = s.space AND l.id = ANY (ids) ORDER BY l.token;
  END IF;
END $$;

-- When time alone could let a pending lease be granted, in ms from now; null when it may be granted as things are.
CREATE FUNCTION lease.blocked_for_v1(s lease.step, l lease.live) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  RETURN (
    SELECT least(min(r.expires), l.expires) - s.now
    FROM lease.rivals_v1(s, l.bases, l.subtree, l.exclusive, l.token) r
    WHERE r.expires > s.now HAVING count(*) > 0
  );
END $$;

-- Whether two lists hold the same claims in any order.
CREATE FUNCTION lease.same_claims_v1(l lease.live, op lease.operation) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF l.bases = op.bases COLLATE "C" AND l.subtree = op.subtree AND l.exclusive = op.exclusive THEN RETURN true; END IF;
  RETURN (SELECT array_agg(c ORDER BY c.base, c.subtree) FROM unnest(l.bases COLLATE "C", l.subtree, l.exclusive) AS c (base, subtree, exclusive)) =
    (SELECT array_agg(c ORDER BY c.base, c.subtree) FROM unnest(op.bases COLLATE "C", op.subtree, op.exclusive) AS c (base, subtree, exclusive));
END $$;
