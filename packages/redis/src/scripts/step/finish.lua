-- How leases end, and what is remembered of that.
local function bury(lease, agent, how, act)
  set(lease, 'T' .. pack('>I6c1', now + end_memory, how) .. agent .. act)
end

-- The tombstone of an id: its agent, how it ended, and who and why.
local function tombstone(kept)
  if not kept or byte(kept) ~= IS_TOMBSTONE or now >= read('>I6', kept, TOMBSTONE_UNTIL) then return nil end
  local how, agent_length = read('>c1I2', kept, TOMBSTONE_HOW)
  local to = TOMBSTONE_AGENT + 1 + agent_length
  return sub(kept, TOMBSTONE_AGENT, to), how, sub(kept, to + 1)
end

-- Who revokes a lease softly, and why; '' when that was not asked for.
local function act_of(record)
  local claims_length, rest_length, agent_length = read('>I3I3I2', record, RECORD_CLAIMS_LENGTH)
  return sub(record, RECORD_NAME + agent_length + claims_length + rest_length)
end

-- Ends a lease: takes it out of everything, and into the history. An end by time or force leaves a tombstone.
local function finish(lease, record, how, act)
  local _, queues, count = claims_of(record)
  if count > 1 then fetch(queues) end
  for i = 1, count do
    local queue = get(queues[i])
    local at = find(queue, lease, 1, true) - TICKET_LEASE
    set(queues[i], #queue > TICKET_WIDTH and sub(queue, 1, at - 1) .. sub(queue, at + TICKET_WIDTH))
    if subtree_base(queues[i]) then subtrees = subtrees - 1 end
  end
  set(lease, false)
  if bucketed then rebucket(lease, record, false) end
  if how == 'e' or how == 'v' then bury(lease, agent_of(record), how, act) end
  record_event(how, next_number(), lease, record, act)
  if byte(record) == IS_PENDING then
    pending = pending - 1
    -- What waits for its turn should hear that there will be none.
    call_out(lease, record)
    set('w' .. sub(lease, 2), false)
  end
  if pending > 0 then freed[#freed + 1] = record end
end

-- Ends a lease that is past its time: as revoked, if its holder was to end by then.
local function expire(lease, record)
  local how = read('>I6', record, RECORD_REFUSED_FROM) == 0 and 'e' or 'v'
  finish(lease, record, how, act_of(record))
  return how
end

-- A live lease; a dead one is ended on the way.
local function find_live(lease)
  local record = get(lease)
  if not is_record(record) then return nil end
  if now < expires_of(record) then return record end
  expire(lease, record)
  return nil
end
