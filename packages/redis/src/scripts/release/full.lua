local function lease_in(op) return sub(op, 1 + OPERATION_LEASE, OPERATION_REST) end

local no_token = '\0\0\0\0\0\0\0'

-- Whether an operation comes from the lease's agent, with its token if it gives one.
local function owns(op, record, agent_at)
  local token = sub(op, 1 + RELEASE_TOKEN, RELEASE_AGENT)
  if sub(op, 1 + agent_at) ~= agent_of(record) then return false end
  return token == no_token or token == sub(record, RECORD_TOKEN, RECORD_EXPIRES - 1)
end


local function release(op)
  local lease = lease_in(op)
  local record = find_live(lease)
  if not record then
    local owner = tombstone(get(lease))
    return owner and owner ~= sub(op, 1 + RELEASE_AGENT) and 'o' or 'n'
  end
  if not owns(op, record, RELEASE_AGENT) then return 'o' end
  local how = byte(record) == IS_PENDING and 'c' or 'r'
  finish(lease, record, how, '')
  return how
end

-- Gives up a request whose answer is not known: what comes late must not live again.
local function abandon(op)
  local lease, agent = lease_in(op), sub(op, 1 + OPERATION_REST)
  local record = find_live(lease)
  if not record then
    local owner, how, act = tombstone(get(lease))
    if owner and owner ~= agent then return 'o' end
    bury(lease, agent, how or 'c', act or '')
    return 'n'
  end
  if agent ~= agent_of(record) then return 'o' end
  local how = byte(record) == IS_PENDING and 'c' or 'r'
  finish(lease, record, how, '')
  bury(lease, agent, how, '')
  return how
end
