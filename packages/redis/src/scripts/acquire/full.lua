-- Asking for leases that something may stand in the way of.
local listeners_length = 16 * CLIENT_WIDTH

-- The calling client hears of the turn of a pending lease from now on. The first that asked stands in the record. Of
-- more than some, the first are left to their heartbeats.
local function listen(lease, record)
  local field = 'w' .. sub(lease, 2)
  if sub(record, RECORD_CLIENT, RECORD_CLAIMS_LENGTH - 1) == client then return end
  local others = get(field) or ''
  for at = 1, #others, CLIENT_WIDTH do
    if sub(others, at, at + CLIENT_WIDTH - 1) == client then return end
  end
  set(field, sub(others .. client, -listeners_length))
end

local function same_claims(record, modes, queues, count)
  local their_modes, their_queues, their_count = claims_of(record)
  if their_count ~= count then return false end
  local mode_of = {}
  for i = 1, count do mode_of[their_queues[i]] = their_modes[i] end
  for i = 1, count do
    if mode_of[queues[i]] ~= modes[i] then return false end
  end
  return true
end

-- False when there is no room for it.
local function build_index()
  local queues, added = {}, {}
  walk(function(field)
    if byte(field) == IS_QUEUE and not added[field] then
      added[field] = true
      queues[#queues + 1] = 0
      queues[#queues + 1] = field
    end
  end)
  for from = 1, #queues, PART do
    local result = redis.pcall('ZADD', index, unpack(queues, from, math.min(from + PART - 1, #queues)))
    if type(result) == 'table' and result.err then return false end
  end
  indexed = true
  return true
end

local function hand_off_of(op) return byte(op, 1 + ACQUIRE_WAIT) == TAKES_HAND_OFF and 1 or 0 end

-- Enters a new lease at the end of the queues of its claims; nil when tokens have come to their end.
local function enter(op, lease, state, ttl, modes, queues, count)
  if math.max(last + 1, us) >= TOKENS_END then return nil end
  local token, acquired = next_number(), state == 'A' and now or hand_off_of(op)
  local record = pack('>c1I7I6I6I6', state, token, now + ttl, now, acquired) .. sub(op, 1 + ACQUIRE_TTL)
  local token7 = sub(record, RECORD_TOKEN, RECORD_EXPIRES - 1)
  if count > 1 then fetch(queues) end
  for i = 1, count do
    set(queues[i], (get(queues[i]) or '') .. modes[i] .. token7 .. lease)
    if subtree_base(queues[i]) then subtrees = subtrees + 1 end
  end
  set(lease, record)
  if bucketed then rebucket(lease, false, record) end
  entered = true
  record_event(state == 'A' and 'a' or 'q', token, lease, record, '')
  return record
end

local function acquire(op)
  local lease = sub(op, 1 + ACQUIRE_LEASE, ACQUIRE_WAITING)
  local claims_length, _, agent_length = read('>I3I3I2', op, 1 + ACQUIRE_CLAIMS_LENGTH)
  local from = 1 + ACQUIRE_NAME + agent_length
  local agent = sub(op, 1 + ACQUIRE_AGENT, from - 1)
  local modes, queues, count = claims_in(op, from, from + claims_length - 1)
  local existing = find_live(lease)
  local owner, how, act = tombstone(get(lease))
  if owner then return owner == agent and 'E' .. how .. act or 'O' end
  if existing then
    if agent_of(existing) ~= agent then return 'O' end
    if not same_claims(existing, modes, queues, count) then return 'C' end
    if byte(existing) == IS_HANDED_OVER then
      set(lease, 'A' .. sub(existing, 2))
      return { 'H', existing }
    end
    if byte(existing) == IS_ACTIVE then return { 'R', existing } end
  end

  for i = 1, count do
    if not indexed and subtree_base(queues[i]) and not build_index() then return 'M' end
  end
  local blockers, blocker_count, soonest = {}, 0, nil
  local token = existing and read('>I7', existing, RECORD_TOKEN)
  local others = rivals(lease, modes, queues, count)
  for i = 1, #others do
    local other = others[i].lease
    local record = get(other)
    local expires = expires_of(record)
    if now >= expires then
      expire(other, record)
    elseif not token or others[i].token < token then
      blocker_count = blocker_count + 1
      if blocker_count <= 8 then blockers[blocker_count] = other .. record end
      if not soonest or expires < soonest then soonest = expires end
    end
  end

  local wait, free = byte(op, 1 + ACQUIRE_WAIT) ~= IS_NO, blocker_count == 0
  local record = ''
  if existing and free then
    return promote(lease, existing, 'A')
  elseif existing and wait then
    local expires = now + read('>I4', op, 1 + ACQUIRE_WAITING)
    record = sub(existing, 1, RECORD_EXPIRES - 1) .. pack('>I6', expires)
      .. sub(existing, RECORD_REQUESTED, RECORD_ACQUIRED - 1) .. pack('>I6', hand_off_of(op))
      .. sub(existing, RECORD_TTL)
    set(lease, record)
    listen(lease, record)
  elseif existing then
    finish(lease, existing, 'c', '')
  elseif free or wait then
    if not has_room then return 'M' end
    local ttl = read('>I4', op, 1 + (free and ACQUIRE_TTL or ACQUIRE_WAITING))
    record = enter(op, lease, free and 'A' or 'P', ttl, modes, queues, count)
    if not record then return 'T' end
    if free then return 'G' .. sub(record, RECORD_TOKEN, RECORD_EXPIRES - 1) end
    pending = pending + 1
  end
  return { 'F' .. pack('>I4I6', blocker_count, soonest), record, unpack(blockers) }
end
