-- Checks whether the turn of a pending lease may have come; from now on its client is called.
local function check(op)
  local lease = lease_in(op)
  local record = get(lease)
  if not record or byte(record) ~= IS_PENDING or now >= expires_of(record) then return '' end
  local is_blocked, soonest = blocked(lease, record)
  if not is_blocked then return '' end
  listen(lease, record)
  return pack('>I6', soonest - now)
end
