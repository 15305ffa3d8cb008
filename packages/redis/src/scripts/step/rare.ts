/** The operations in full, for whatever the fast ways leave to them. */
import { NO_LIMIT, TOKENS_END } from "../layout.js";

/** How leases end, and what is remembered of that. */
export const ENDING = `
local function bury(lease, agent, how, act)
  set(lease, 'T' .. pack('>I6c1', now + end_memory, how) .. agent .. act)
end

-- The tombstone of an id: its agent, how it ended, and who and why.
local function tombstone(text)
  if not text or byte(text) ~= 84 or now >= read('>I6', text, 2) then return nil end
  local to = 10 + read('>I2', text, 9)
  return sub(text, 9, to), sub(text, 8, 8), sub(text, to + 1)
end

-- Who revokes a lease softly, and why; '' when nobody does.
local function act_of(record)
  local claims_length, rest_length, agent_length = read('>I3I3I2', record, 59)
  return sub(record, 67 + agent_length + claims_length + rest_length)
end

-- Ends a lease: takes it out of everything and tells of it. Others than the agent leave a tombstone.
local function finish(lease, record, how, act)
  local _, queues, count = claims_of(record)
  if count > 1 then fetch(queues) end
  for i = 1, count do
    local queue = get(queues[i])
    local at = find(queue, lease, 1, true) - 8
    set(queues[i], #queue > 45 and sub(queue, 1, at - 1) .. sub(queue, at + 45))
    if subtree_base(queues[i]) then subtrees = subtrees - 1 end
  end
  set(lease, false)
  if bucketed then rebucket(lease, record, false) end
  if how == 'e' or how == 'v' then bury(lease, agent_of(record), how, act) end
  tell(how, number(), lease, record, act)
  if byte(record) == 80 then
    pending = pending - 1
    -- Whoever waits for its turn should hear that there will be none.
    call_out(lease, record)
    set('w' .. sub(lease, 2), false)
  end
  if pending > 0 then freed[#freed + 1] = record end
end

-- Ends a lease that is past its time: as revoked, if that is what its holder was told.
local function expire(lease, record)
  local how = read('>I6', record, 45) == 0 and 'e' or 'v'
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

local NO_TOKEN = '\\0\\0\\0\\0\\0\\0\\0'

-- Whether an operation comes from the lease's agent, with its token if it gives one.
local function owns(op, record, agent_at)
  local token = sub(op, 39, 45)
  return sub(op, agent_at) == agent_of(record) and (token == NO_TOKEN or token == sub(record, 2, 8))
end

local function release(op)
  local kind, lease = sub(op, 1, 1), sub(op, 2, 38)
  local record = find_live(lease)
  if kind == 'V' then
    if not record then return 'n' end
    local grace, act = read('>I6', op, 39), sub(op, 45)
    if byte(record) == 80 or grace == 0 then
      finish(lease, record, 'v', act)
      return 'v'
    end
    local before = read('>I6', record, 45)
    if before == 0 or now + grace < before then
      local rest = sub(record, 51, #record - #act_of(record))
      record = sub(record, 1, 44) .. pack('>I6', now + grace) .. rest .. act
      set(lease, record)
      tell('g', number(), lease, record, act)
    end
    return 'g'
  end

  local abandoned = kind == 'B'
  if not record then
    local agent = sub(op, abandoned and 39 or 46)
    local owner, how, act = tombstone(get(lease))
    if owner and owner ~= agent then return 'o' end
    if abandoned then bury(lease, agent, how or 'c', act or '') end
    return 'n'
  end
  if abandoned and sub(op, 39) ~= agent_of(record) then return 'o' end
  if not abandoned and not owns(op, record, 46) then return 'o' end
  local how = byte(record) == 80 and 'c' or 'r'
  finish(lease, record, how, '')
  if abandoned then bury(lease, agent_of(record), how, '') end
  return how
end

local function end_if_dead(op)
  local lease = sub(op, 2, 38)
  local record = get(lease)
  if not is_record(record) or now < expires_of(record) then return '' end
  return { record, expire(lease, record) }
end
`;

/** Asking for leases that something may stand in the way of. */
export const ACQUIRING = `
local LISTENERS_LENGTH = 16 * 8

-- The calling client hears of the turn of a pending lease from now on. The first that asked stands in the record. Of
-- more than some, the first are left to their heartbeats.
local function listen(lease, record)
  local field = 'w' .. sub(lease, 2)
  if sub(record, 51, 58) == client then return end
  local others = get(field) or ''
  for at = 1, #others, 8 do
    if sub(others, at, at + 7) == client then return end
  end
  set(field, sub(others .. client, -LISTENERS_LENGTH))
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
    if byte(field) == 114 and not added[field] then
      added[field] = true
      queues[#queues + 1] = 0
      queues[#queues + 1] = field
    end
  end)
  for from = 1, #queues, PART do
    local result = pcall_redis('ZADD', index, unpack(queues, from, math.min(from + PART - 1, #queues)))
    if type(result) == 'table' and result.err then return false end
  end
  indexed = true
  return true
end

local function hand_off_of(op) return byte(op, 2) == 50 and 1 or 0 end

-- Enters a new lease at the end of the queues of its claims; nil when tokens have come to their end.
local function enter(op, lease, state, ttl, modes, queues, count)
  if math.max(last + 1, us) >= ${TOKENS_END} then return nil end
  local token, acquired = number(), state == 'A' and now or hand_off_of(op)
  local record = pack('>c1I7I6I6I6', state, token, now + ttl, now, acquired) .. sub(op, 44)
  local token7 = sub(record, 2, 8)
  if count > 1 then fetch(queues) end
  for i = 1, count do
    set(queues[i], (get(queues[i]) or '') .. modes[i] .. token7 .. lease)
    if subtree_base(queues[i]) then subtrees = subtrees + 1 end
  end
  set(lease, record)
  if bucketed then rebucket(lease, false, record) end
  entered = true
  tell(state == 'A' and 'a' or 'q', token, lease, record, '')
  return record
end

local function acquire(op)
  local lease = sub(op, 3, 39)
  local claims_length, _, agent_length = read('>I3I3I2', op, 76)
  local agent, from = sub(op, 82, 83 + agent_length), 84 + agent_length
  local modes, queues, count = claims_in(op, from, from + claims_length - 1)
  local existing = find_live(lease)
  local owner, how, act = tombstone(get(lease))
  if owner then return owner == agent and 'E' .. how .. act or 'O' end
  if existing then
    if agent_of(existing) ~= agent then return 'O' end
    if not same_claims(existing, modes, queues, count) then return 'C' end
    if byte(existing) == 72 then
      set(lease, 'A' .. sub(existing, 2))
      return { 'H', existing }
    end
    if byte(existing) == 65 then return { 'R', existing } end
  end

  for i = 1, count do
    if not indexed and subtree_base(queues[i]) and not build_index() then return 'M' end
  end
  local blockers, blocker_count, soonest = {}, 0, nil
  local token = existing and read('>I7', existing, 2)
  local found = rivals(lease, modes, queues, count)
  for i = 1, #found do
    local other = found[i].lease
    local record = get(other)
    local expires = expires_of(record)
    if now >= expires then
      expire(other, record)
    elseif not token or found[i].token < token then
      blocker_count = blocker_count + 1
      if blocker_count <= 8 then blockers[blocker_count] = other .. record end
      if not soonest or expires < soonest then soonest = expires end
    end
  end

  local wait, free = byte(op, 2) ~= 48, blocker_count == 0
  local record = ''
  if existing and free then
    return promote(lease, existing, 'A')
  elseif existing and wait then
    record = sub(existing, 1, 8) .. pack('>I6', now + read('>I4', op, 40)) .. sub(existing, 15, 20)
      .. pack('>I6', hand_off_of(op)) .. sub(existing, 27)
    set(lease, record)
    listen(lease, record)
  elseif existing then
    finish(lease, existing, 'c', '')
  elseif free or wait then
    if not has_room then return 'M' end
    record = enter(op, lease, free and 'A' or 'P', read('>I4', op, free and 44 or 40), modes, queues, count)
    if not record then return 'T' end
    if free then return 'G' .. sub(record, 2, 8) end
    pending = pending + 1
  end
  return { 'F' .. pack('>I4I6', blocker_count, soonest), record, unpack(blockers) }
end

local function check(op)
  local lease = sub(op, 2, 38)
  local record = get(lease)
  if not record or byte(record) ~= 80 or now >= expires_of(record) then return '' end
  local is_blocked, soonest = blocked(lease, record)
  if not is_blocked then return '' end
  listen(lease, record)
  return pack('>I6', soonest - now)
end
`;

export const RENEWING = `
local function renew(op)
  local lease = sub(op, 2, 38)
  local record = find_live(lease)
  if not record then
    local owner, how, act = tombstone(get(lease))
    if not owner then return 'n' end
    if owner ~= sub(op, 57) then return 'o' end
    if how == 'e' then return 'e' end
    if how == 'v' then return 'v' .. act end
    return 'n'
  end
  if not owns(op, record, 57) then return 'o' end
  if byte(record) == 80 then return 'p' end
  local own_ttl, renewals, limit, refused_from = read('>I4I7I7I6', record, 27)
  if refused_from > 0 and now >= refused_from then return 'v' .. act_of(record) end
  local ttl, renewal = read('>I4I7', op, 46)
  if renewal == 0 then renewal = renewals + 1 end
  if renewal > renewals + 1 then return { 'x', record } end
  -- A repeat extends nothing: repeated at the limit, it would otherwise hold for ever.
  if renewal <= renewals then return { 'R', record } end
  if limit ~= ${NO_LIMIT} and renewal > limit then return 'l' .. sub(record, 38, 44) end
  local expires = math.max(expires_of(record), now + (ttl > 0 and ttl or own_ttl))
  record = sub(record, 1, 8) .. pack('>I6', expires) .. sub(record, 15, 30) .. pack('>I7', renewal) .. sub(record, 38)
  set(lease, record)
  if record_renewals then tell('n', number(), lease, record, '') end
  return { 'N', record }
end
`;
