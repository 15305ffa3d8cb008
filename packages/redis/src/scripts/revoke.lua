-- Ends a lease by force, at once or after a grace.
local function revoke(op)
  local lease = lease_in(op)
  local record = find_live(lease)
  if not record then return 'n' end
  local grace, act = read('>I6', op, 1 + REVOKE_GRACE), sub(op, 1 + REVOKE_ACT)
  if byte(record) == IS_PENDING or grace == 0 then
    finish(lease, record, 'v', act)
    return 'v'
  end
  local before = read('>I6', record, RECORD_REFUSED_FROM)
  if before == 0 or now + grace < before then
    record = sub(record, 1, RECORD_REFUSED_FROM - 1) .. pack('>I6', now + grace)
      .. sub(record, RECORD_CLIENT, #record - #act_of(record)) .. act
    set(lease, record)
    record_event('g', next_number(), lease, record, act)
  end
  return 'g'
end
