-- Calls all clients that listen for a pending lease.
local function call_out(lease, record)
  local id = sub(lease, 2)
  local others = get('w' .. id) or ''
  calls[#calls + 1] = sub(record, RECORD_CLIENT, RECORD_CLAIMS_LENGTH - 1)
  calls[#calls + 1] = id
  for at = 1, #others, CLIENT_WIDTH do
    calls[#calls + 1] = sub(others, at, at + CLIENT_WIDTH - 1)
    calls[#calls + 1] = id
  end
end

-- Calls the waiters that can be granted now. In a queue none behind the first live exclusive claim can be.
local function wake()
  local seen, candidates = {}, {}
  for i = 1, #freed do
    local _, queues, count = claims_of(freed[i])
    for j = 1, count do
      local fields = queues_over(queues[j])
      if #fields > 1 then fetch(fields) end
      for k = 1, #fields do
        local queue = get(fields[k]) or ''
        for at = 1, #queue, TICKET_WIDTH do
          local lease = sub(queue, at + TICKET_LEASE, at + TICKET_WIDTH - 1)
          local record = get(lease)
          if now < expires_of(record) then
            if byte(record) == IS_PENDING and not seen[lease] then
              seen[lease] = true
              candidates[#candidates + 1] = lease
            end
            if byte(queue, at) == IS_EXCLUSIVE then break end
          end
        end
      end
    end
  end
  for i = 1, #candidates do
    local lease = candidates[i]
    local record = get(lease)
    if not blocked(lease, record) then call_out(lease, record) end
  end
end
