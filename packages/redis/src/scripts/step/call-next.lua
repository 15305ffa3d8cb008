-- Calls the first in the queue of the only claim that was freed, if it waits for that alone, and hands the lease to it
-- if its client takes that; 'freed' keeps whatever is not as simple.
if #freed == 1 and subtrees == 0 then
  local record = freed[1]
  local claims_length, _, agent_length = read('>I3I3I2', record, RECORD_CLAIMS_LENGTH)
  local claims_at = RECORD_NAME + agent_length
  local queue = value[sub(record, claims_at + CLAIM_QUEUE, claims_at + claims_length - 1)]
  if queue and byte(queue) == IS_EXCLUSIVE then
    local next_lease = sub(queue, 1 + TICKET_LEASE, TICKET_WIDTH)
    local listeners = 'w' .. sub(next_lease, 2)
    local next_record = value[next_lease]
    if next_record == nil then
      local both = call('HMGET', hash, next_lease, listeners)
      value[next_lease], value[listeners] = both[1], both[2]
      next_record = both[1]
    elseif value[listeners] == nil then
      value[listeners] = call('HGET', hash, listeners)
    end
    local claim_at = RECORD_NAME + read('>I2', next_record, RECORD_AGENT)
    if byte(next_record) == IS_PENDING and now < read('>I6', next_record, RECORD_EXPIRES) and not value[listeners]
      and read('>I3', next_record, RECORD_CLAIMS_LENGTH)
        == read('>I2', next_record, claim_at + CLAIM_LENGTH) + CLAIM_QUEUE then
      local listener, id = sub(next_record, RECORD_CLIENT, RECORD_CLAIMS_LENGTH - 1), sub(next_lease, 2)
      if read('>I6', next_record, RECORD_ACQUIRED) == 1 then
        -- A client that crashed does not listen any more. (Where that may not be asked, nothing is handed over.)
        local listening = redis.pcall('PUBSUB', 'NUMSUB', hash .. ':' .. listener)
        if not listening.err and listening[2] > 0 then
          promote(next_lease, next_record, 'H')
          id = string.format('%s %.0f %.0f', id, read('>I7', next_record, RECORD_TOKEN), now)
        end
      end
      calls[#calls + 1] = listener
      calls[#calls + 1] = id
      freed = {}
    end
  end
end
