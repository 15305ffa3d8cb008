-- Extends an active lease.
local function renew(op)
  local lease = lease_in(op)
  local record = find_live(lease)
  if not record then
    local owner, how, act = tombstone(get(lease))
    if not owner then return 'n' end
    if owner ~= sub(op, 1 + RENEW_AGENT) then return 'o' end
    if how == 'e' then return 'e' end
    if how == 'v' then return 'v' .. act end
    return 'n'
  end
  if not owns(op, record, RENEW_AGENT) then return 'o' end
  if byte(record) == IS_PENDING then return 'p' end
  local own_ttl, renewals, limit, refused_from = read('>I4I7I7I6', record, RECORD_TTL)
  if refused_from > 0 and now >= refused_from then return 'v' .. act_of(record) end
  local ttl, renewal = read('>I4I7', op, 1 + RENEW_TTL)
  if renewal == 0 then renewal = renewals + 1 end
  if renewal > renewals + 1 then return { 'x', record } end
  -- A repeat extends nothing: repeated at the limit, it would otherwise hold for ever.
  if renewal <= renewals then return { 'R', record } end
  if limit ~= NO_LIMIT and renewal > limit then
    return 'l' .. sub(record, RECORD_MAX_RENEWALS, RECORD_REFUSED_FROM - 1)
  end
  local expires = math.max(expires_of(record), now + (ttl > 0 and ttl or own_ttl))
  record = sub(record, 1, RECORD_EXPIRES - 1) .. pack('>I6', expires)
    .. sub(record, RECORD_REQUESTED, RECORD_RENEWALS - 1) .. pack('>I7', renewal) .. sub(record, RECORD_MAX_RENEWALS)
  set(lease, record)
  if record_renewals then record_event('n', next_number(), lease, record, '') end
  return { 'N', record }
end
