-- Reading records. A resource stands for its queue, a lease for its field.
local function is_record(text) return text and byte(text) ~= IS_TOMBSTONE end
local function expires_of(record) return (read('>I6', record, RECORD_EXPIRES)) end
local function agent_of(record)
  return sub(record, RECORD_AGENT, RECORD_NAME - 1 + read('>I2', record, RECORD_AGENT))
end

-- The claims in a text from one place to another: modes and queues, in order.
local function claims_in(text, at, to)
  local modes, queues, count = {}, {}, 0
  while at <= to do
    local queue_at = at + CLAIM_QUEUE
    local next_at = queue_at + read('>I2', text, at + CLAIM_LENGTH)
    count = count + 1
    modes[count] = sub(text, at, at)
    queues[count] = sub(text, queue_at, next_at - 1)
    at = next_at
  end
  return modes, queues, count
end
local function claims_of(record)
  local from = RECORD_NAME + read('>I2', record, RECORD_AGENT)
  return claims_in(record, from, from - 1 + read('>I3', record, RECORD_CLAIMS_LENGTH))
end

-- Where a subtree begins: for 'rsrc/**' this is 'rsrc', for 'r**' 'r', for any other queue nil.
local function subtree_base(queue)
  if queue == 'r**' then return 'r' end
  if sub(queue, -#'/**') == '/**' then return sub(queue, 1, -#'/**' - 1) end
  return nil
end
