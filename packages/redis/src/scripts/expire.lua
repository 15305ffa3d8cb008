-- Ends a lease that is past its time.
local function end_if_dead(op)
  local lease = lease_in(op)
  local record = get(lease)
  if not is_record(record) or now < expires_of(record) then return '' end
  return { record, expire(lease, record) }
end
