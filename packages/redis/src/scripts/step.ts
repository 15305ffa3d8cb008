/** The script behind acquire, renew, release, turn and the ending of what is past its time. */
import { HEAD_VERSION, LOOKUPS, PRELUDE, WALK_MOST } from "./layout.js";

/**
 * Carries out up to a batch of operations, one after the other.
 *
 * KEYS  the hash, the index and the history of one namespace (see `layout.ts`)
 * ARGV  1 the calling client, 2 ms that an end is remembered, 3 whether renewals are recorded ('1'), 4… operations:
 *   `A` wait 1 · id · ttl of waiting 10 · a record from its ttl on          acquire
 *   `N` id · token 16 · ttl 10 · renewal 16 · agent                                                          renew
 *   `D` id · token 16 · agent            release      `B` id · agent                                       abandon
 *   `V` id · grace 10 · who and why      revoke       `L` id         look whether its turn has come, and listen
 *   `X` id                               end it if it is past its time
 *   (dashes stand for what was left out)
 * Answers, one for each operation:
 *   `A`: `G` now · token granted anew · {`g` now, record} granted from the line · {`R` now, record} repeated ·
 *        {`F` now · blockers 8 · soonest expiry 14, record or '', id · record of the first blockers…} refused ·
 *        `E` end · who and why: ended · `O` another agent's · `C` other claims · `T` no tokens left · `M` no room
 *   `N`: {`N` now, record} · `n` not found · `o` not owner · `p` pending · `e` expired · `v` who and why: revoked ·
 *        `l` most renewals: limit
 *   `D` `B` `V`: `r`eleased, `c`ancelled, re`v`oked, revokin`g`, not `o`wner, `n`ot found
 *   `L`: ms until it is worth looking again; '' when the turn may have come
 *   `X`: {now, record, end}, or '' when it is not there or not past its time
 * Publishes the id of every waiter that can now be granted, on the channel of its client.
 *
 * Atomic for each operation. What could fail for want of memory is the first write of an acquire: before it nothing
 * was written, after it (or after any deletion) Redis lets a script finish.
 */
export const STEP_SCRIPT = `${PRELUDE}
local client, end_memory, record_renewals = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local last, head_middle, pending, subtrees, indexed = 0, nil, 0, 0, false
if head then
  last = tonumber(sub(head, 2, 17))
  head_middle = sub(head, 18, 49)
  pending = tonumber(sub(head, 50, 57))
  subtrees = tonumber(sub(head, 58, 65))
  indexed = sub(head, 66, 66) == '1'
else
  head_middle = '0000000000000000' .. format('%016.0f', us)
end

-- Numbers end at 2^53; a part is kept for the events of leases that live when new ones are refused.
local NUMBERS_END = 9007199254740992
local TOKENS_END = NUMBERS_END - 4294967296
-- More clients than this hear of no one id; of more, the first are left to their heartbeats.
local MOST_LISTENERS = 16
local DASHES = '----------------'
local changed = false
local events, event_count, lengths_of = {}, 0, {}
local freed


-- What most calls do not need is only made when it is: making all of it costs as much as several operations.
local define_rare, made
local function rare()
  made = made or define_rare()
  return made
end

local function number()
  last = last + 1
  if us > last and us < TOKENS_END then last = us end
  return format('%016.0f', last)
end

local function tell(type, number16, id, record, act)
  local length = #record
  local lengths = act == '' and lengths_of[length]
  if not lengths then
    lengths = format('%07d%05d', length, #act)
    if act == '' then lengths_of[length] = lengths end
  end
  event_count = event_count + 1
  local at = #events
  events[at + 1], events[at + 2], events[at + 3] = type .. number16 .. lengths .. id, record, act
end

local function begin()
  if changed then return end
  changed = true
  -- Leftovers of a namespace whose hash is gone would stand in the way of the new one.
  if not head and call('EXISTS', index, history) > 0 then call('DEL', index, history) end
end

-- Tells all clients that listen for a pending lease.
local function call_out(id, record)
  call('PUBLISH', hash .. ':' .. sub(record, 116, 127), id)
  local others = call('HGET', hash, 'w' .. id) or ''
  for at = 1, #others, 12 do call('PUBLISH', hash .. ':' .. sub(others, at, at + 11), id) end
end

-- Ends a lease: takes it out of everything and tells of it.
local function finish(id, record, how, act)
  begin()
  local claims_at = 143 + tonumber(sub(record, 128, 130))
  local length = tonumber(sub(record, claims_at + 1, claims_at + 3))
  -- Nearly always: one claim.
  if indexed or tonumber(sub(record, 131, 136)) ~= length + 4 then
    rare().remove(id, record)
  else
    local field = 'r' .. sub(record, claims_at + 4, claims_at + 3 + length)
    local line = call('HGET', hash, field)
    if #line == 53 then
      call('HDEL', hash, 'l' .. id, field)
    else
      local at = find(line, sub(record, 2, 17) .. id, 1, true) - 1
      call('HDEL', hash, 'l' .. id)
      call('HSET', hash, field, sub(line, 1, at - 1) .. sub(line, at + 53))
    end
  end
  if how == 'e' or how == 'v' then rare().bury(id, agent_of(record), how, act) end
  tell(how, number(), id, record, act)
  if byte(record) == 80 then
    pending = pending - 1
    -- Whoever waits for its turn should hear that there will be none.
    call_out(id, record)
    call('HDEL', hash, 'w' .. id)
  end
  if pending > 0 then
    freed = freed or {}
    freed[#freed + 1] = record
  end
end

-- Writes a new lease and its claims. False, and nothing written, when there is no room.
local function write(id, record, ...)
  begin()
  local result = pcall_redis('HSET', hash, 'l' .. id, record, ...)
  if type(result) == 'table' and result.err then
    if find(result.err, 'OOM', 1, true) then return false end
    -- Fails again, in the server's own words.
    call('HSET', hash, 'l' .. id, record, ...)
  end
  if indexed then
    local by_token, by_agent = rare().members_of(id, record)
    call('ZADD', index, 0, by_token, 0, by_agent)
  end
  return true
end

-- When a time from now will be over. In one call many ask for the same time.
local after = {}
local function in_time(ms10)
  local at = after[ms10]
  if not at then
    at = format('%014.0f', now + tonumber(ms10))
    after[ms10] = at
  end
  return at
end

-- The record of a new lease, and its token as a number of its own; nil when tokens have come to their end.
local function new_record(op, state, ttl10, acquired)
  if math.max(last + 1, us) >= TOKENS_END then return nil end
  local token16 = number()
  return state .. token16 .. in_time(ttl10) .. now14 .. acquired .. sub(op, 49), token16
end

-- Grants a pending lease that stands first in the line of its only claim; nil when it is not as simple as that. There
-- may be no such line: what is asked for need not be what the lease was asked for with.
local function promote(op, id, record, line, agent_length, claims_length)
  if not line or byte(record) ~= 80 or now >= expires_of(record) or sub(line, 2, 53) ~= sub(record, 2, 17) .. id
    or sub(op, 117, 125) ~= sub(record, 128, 136)
    or sub(op, 132, 131 + agent_length + claims_length) ~= sub(record, 143, 142 + agent_length + claims_length) then
    return nil
  end
  local expires = in_time(sub(record, 60, 69))
  record = 'A' .. sub(record, 2, 17) .. expires .. sub(record, 32, 45) .. now14 .. sub(record, 60)
  begin()
  -- A deletion first: after it Redis lets a script write, even when its memory is full.
  call('HDEL', hash, 'w' .. id)
  call('HSET', hash, 'l' .. id, record)
  pending = pending - 1
  tell('a', number(), id, record, '')
  return { 'g' .. now14, record }
end

local function acquire(op)
  local id = sub(op, 3, 38)
  local agent_length, claims_length = tonumber(sub(op, 117, 119)), tonumber(sub(op, 120, 125))
  local claims_at = 132 + agent_length
  local length = tonumber(sub(op, claims_at + 1, claims_at + 3))
  local resource = sub(op, claims_at + 4, claims_at + 3 + length)
  local known = call('HMGET', hash, 'l' .. id, 't' .. id, 'r' .. resource)
  local existing, buried, line = known[1], known[2], known[3]
  -- Nearly always: one claim, with nothing to look for above or below it.
  if subtrees == 0 and claims_length == length + 4 and byte(resource, -1) ~= 42 and not buried then
    if existing then
      local answer = promote(op, id, existing, line, agent_length, claims_length)
      if answer then return answer end
    elseif not line then
      local number_before = last
      local record, token16 = new_record(op, 'A', sub(op, 49, 58), now14)
      if not record then return 'T' end
      if not write(id, record, 'r' .. resource, sub(op, claims_at, claims_at) .. token16 .. id) then
        last = number_before
        return 'M'
      end
      if indexed then call('ZADD', index, 0, 'r' .. resource) end
      tell('a', token16, id, record, '')
      return 'G' .. now14 .. token16
    end
  end
  return rare().acquire(op, id, sub(op, 132, 131 + agent_length), existing, buried)
end

local function release(op)
  local id = sub(op, 2, 37)
  local record = call('HGET', hash, 'l' .. id)
  if not record or now >= expires_of(record) then return rare().release(op) end
  local token = sub(op, 38, 53)
  if agent_of(record) ~= sub(op, 54) or (token ~= DASHES and token ~= sub(record, 2, 17)) then return 'o' end
  local how = byte(record) == 80 and 'c' or 'r'
  finish(id, record, how, '')
  return how
end

define_rare = function()
${LOOKUPS}
  -- Writes to the hash although memory may be full: after a deletion a script may.
  local function put(...)
    local result = pcall_redis('HSET', hash, ...)
    if type(result) == 'table' and result.err then
      call('HDEL', hash, '')
      call('HSET', hash, ...)
    end
  end

  local function bury(id, agent, how, act)
    put('t' .. id, format('%014.0f', now + end_memory) .. how .. format('%03d', #agent) .. agent .. act)
  end

  -- The tombstone of an id: its agent, how it ended, and who and why.
  local function tombstone(text)
    if not text or now >= tonumber(sub(text, 1, 14)) then return nil end
    local length = tonumber(sub(text, 16, 18))
    return sub(text, 19, 18 + length), sub(text, 15, 15), sub(text, 19 + length)
  end

  -- Who revokes a lease softly, and why; '' when nobody does.
  local function act_of(record)
    return sub(record, 143 + tonumber(sub(record, 128, 130)) + tonumber(sub(record, 131, 136))
      + tonumber(sub(record, 137, 142)))
  end

  -- The calling client hears of the turn of a pending lease from now on. The first that asked stands in the record.
  local function listen(id, record)
    if sub(record, 116, 127) == client then return end
    local others = call('HGET', hash, 'w' .. id) or ''
    if find(others, client, 1, true) then return end
    begin()
    put('w' .. id, sub(others .. client, -MOST_LISTENERS * 12))
  end

  -- Takes the claims of a lease out of their lines, and the lease out of the hash and the index.
  local function remove(id, record)
    local entry = sub(record, 2, 17) .. id
    local _, resources, count = claims_of(record)
    local fields, gone, kept, members = {}, { 'l' .. id }, {}, {}
    for i = 1, count do fields[i] = 'r' .. resources[i] end
    local lines = hmget(fields)
    for i = 1, count do
      local line = lines[i]
      if subtree_base(resources[i]) then subtrees = subtrees - 1 end
      if #line == 53 then
        gone[#gone + 1] = fields[i]
        members[#members + 1] = fields[i]
      else
        local at = find(line, entry, 1, true) - 1
        kept[#kept + 1] = fields[i]
        kept[#kept + 1] = sub(line, 1, at - 1) .. sub(line, at + 53)
      end
    end
    call('HDEL', hash, unpack(gone))
    if #kept > 0 then call('HSET', hash, unpack(kept)) end
    if indexed then call('ZREM', index, unpack({ members_of(id, record) })) end
    if indexed and #members > 0 then call('ZREM', index, unpack(members)) end
  end

  -- Ends a lease that is past its time: as revoked, if that is what its holder was told.
  local function expire(id, record)
    if sub(record, 102, 115) == '00000000000000' then
      finish(id, record, 'e', '')
      return 'e'
    end
    finish(id, record, 'v', act_of(record))
    return 'v'
  end

  -- The lease of an id if it is live; a dead one is ended on the way.
  local function find_live(id)
    local record = call('HGET', hash, 'l' .. id)
    if record and now >= expires_of(record) then
      expire(id, record)
      return nil
    end
    return record
  end

  -- Everybody but 'id' whose claims conflict with these, as token and id, by token; with 'before' only earlier ones.
  local function rivals(id, modes, resources, count, before)
    local found, found_count, seen = {}, 0, {}
    for i = 1, count do
      local exclusive = modes[i] == 'x'
      local lines = hmget(lines_over(resources[i], subtrees > 0))
      for j = 1, #lines do
        local line = lines[j]
        if line then
          for at = 1, #line, 53 do
            if exclusive or byte(line, at) == 120 then
              local ticket = sub(line, at + 1, at + 52)
              if before and ticket >= before then break end
              if not seen[ticket] and sub(ticket, 17) ~= id then
                seen[ticket] = true
                found_count = found_count + 1
                found[found_count] = ticket
              end
            end
          end
        end
      end
    end
    if found_count > 1 then table.sort(found) end
    return found, found_count
  end

  -- Whether an earlier live lease stands in the way of a pending one, and when time alone could change that.
  local function blocked(id, record)
    local modes, resources, count = claims_of(record)
    local before = sub(record, 2, 17) .. id
    local found, found_count = rivals(id, modes, resources, count, before)
    local is_blocked, soonest = false, expires_of(record)
    for i = 1, found_count do
      local other = call('HGET', hash, 'l' .. sub(found[i], 17))
      local expires = expires_of(other)
      if now < expires then
        is_blocked = true
        if expires < soonest then soonest = expires end
      end
    end
    return is_blocked, soonest
  end

  -- Enters a new lease at the end of the lines of its claims.
  local function enter(id, record, token16, modes, resources, count)
    local fields = {}
    for i = 1, count do fields[i] = 'r' .. resources[i] end
    local lines = hmget(fields)
    local values, members, added = {}, {}, 0
    for i = 1, count do
      values[2 * i - 1], values[2 * i] = fields[i], (lines[i] or '') .. modes[i] .. token16 .. id
      members[2 * i - 1], members[2 * i] = 0, fields[i]
      if subtree_base(resources[i]) then added = added + 1 end
    end
    if not write(id, record, unpack(values)) then return false end
    subtrees = subtrees + added
    if indexed then call('ZADD', index, unpack(members)) end
    return true
  end

  local function same_claims(record, modes, resources, count)
    local their_modes, their_resources, their_count = claims_of(record)
    if their_count ~= count then return false end
    local mode_of = {}
    for i = 1, count do mode_of[their_resources[i]] = their_modes[i] end
    for i = 1, count do
      if mode_of[resources[i]] ~= modes[i] then return false end
    end
    return true
  end

  -- An acquire that is not as simple as most are.
  local function acquire_among_others(op, id, agent, existing, buried)
    if existing and now >= expires_of(existing) then
      expire(id, existing)
      existing, buried = false, call('HGET', hash, 't' .. id)
    end
    local from = 132 + #agent
    local modes, resources, count = claims_in(op, from, from + tonumber(sub(op, 120, 125)) - 1)
    if existing then
      if agent_of(existing) ~= agent then return 'O' end
      if not same_claims(existing, modes, resources, count) then return 'C' end
      if byte(existing) == 65 then return { 'R' .. now14, existing } end
    elseif buried then
      local owner, how, act = tombstone(buried)
      if owner and owner ~= agent then return 'O' end
      if owner then return 'E' .. how .. act end
    end

    for i = 1, count do
      if not indexed and subtree_base(resources[i]) then
        begin()
        build_index()
        indexed = true
      end
    end
    local blockers, blocker_count, soonest = {}, 0, nil
    local token = existing and sub(existing, 2, 17) or '9999999999999999'
    local found, found_count = rivals(id, modes, resources, count)
    for i = 1, found_count do
      local other_id = sub(found[i], 17)
      local other = call('HGET', hash, 'l' .. other_id)
      local expires = expires_of(other)
      if now >= expires then
        expire(other_id, other)
      elseif sub(found[i], 1, 16) < token then
        blocker_count = blocker_count + 1
        if blocker_count <= 8 then blockers[blocker_count] = other_id .. other end
        if not soonest or expires < soonest then soonest = expires end
      end
    end

    local wait, free = byte(op, 2) == 49, blocker_count == 0
    local record = ''
    if existing and free then
      local expires = in_time(sub(existing, 60, 69))
      record = 'A' .. sub(existing, 2, 17) .. expires .. sub(existing, 32, 45) .. now14 .. sub(existing, 60)
      begin()
      put('l' .. id, record)
      call('HDEL', hash, 'w' .. id)
      pending = pending - 1
      tell('a', number(), id, record, '')
      return { 'g' .. now14, record }
    elseif existing and wait then
      local expires = in_time(sub(op, 39, 48))
      record = sub(existing, 1, 17) .. expires .. sub(existing, 32)
      begin()
      put('l' .. id, record)
      listen(id, record)
    elseif existing then
      finish(id, existing, 'c', '')
    elseif free or wait then
      local number_before, token16 = last, nil
      if free then
        record, token16 = new_record(op, 'A', sub(op, 49, 58), now14)
      else
        record, token16 = new_record(op, 'P', sub(op, 39, 48), '00000000000000')
      end
      if not record then return 'T' end
      if not enter(id, record, token16, modes, resources, count) then
        last = number_before
        return 'M'
      end
      tell(free and 'a' or 'q', token16, id, record, '')
      if free then return 'G' .. now14 .. token16 end
      pending = pending + 1
    end
    return { 'F' .. now14 .. format('%08d%014.0f', blocker_count, soonest), record, unpack(blockers) }
  end

  local function renew(op)
    local id, agent = sub(op, 2, 37), sub(op, 80)
    local record = find_live(id)
    if not record then
      local owner, how, act = tombstone(call('HGET', hash, 't' .. id))
      if not owner then return 'n' end
      if owner ~= agent then return 'o' end
      if how == 'e' then return 'e' end
      if how == 'v' then return 'v' .. act end
      return 'n'
    end
    local token = sub(op, 38, 53)
    if agent_of(record) ~= agent or (token ~= DASHES and token ~= sub(record, 2, 17)) then return 'o' end
    if byte(record) == 80 then return 'p' end
    local refused_from = tonumber(sub(record, 102, 115))
    if refused_from > 0 and now >= refused_from then
      return 'v' .. act_of(record)
    end
    local renewals = tonumber(sub(record, 70, 85))
    local renewal = tonumber(sub(op, 64, 79)) or renewals + 1
    -- A repeat extends nothing either: repeated at the limit, it would otherwise hold for ever.
    if renewal > renewals then
      local limit = tonumber(sub(record, 86, 101))
      if limit and renewal > limit then return 'l' .. sub(record, 86, 101) end
      local ttl = tonumber(sub(op, 54, 63)) or tonumber(sub(record, 60, 69))
      local expires = math.max(expires_of(record), now + ttl)
      record = sub(record, 1, 17) .. format('%014.0f', expires) .. sub(record, 32, 69)
        .. format('%016.0f', renewal) .. sub(record, 86)
      begin()
      put('l' .. id, record)
      if record_renewals then tell('n', number(), id, record, '') end
    end
    return { 'N' .. now14, record }
  end

  local function release_any(op)
    local kind, id = sub(op, 1, 1), sub(op, 2, 37)
    local record = find_live(id)
    if kind == 'V' then
      if not record then return 'n' end
      local act = sub(op, 48)
      local grace = tonumber(sub(op, 38, 47))
      if byte(record) == 80 or grace == 0 then
        finish(id, record, 'v', act)
        return 'v'
      end
      local before = tonumber(sub(record, 102, 115))
      if before == 0 or now + grace < before then
        record = sub(record, 1, 101) .. format('%014.0f', now + grace)
          .. sub(record, 116, #record - #act_of(record)) .. act
        begin()
        put('l' .. id, record)
        tell('g', number(), id, record, act)
      end
      return 'g'
    end

    local abandoned = kind == 'B'
    local agent = sub(op, abandoned and 38 or 54)
    if not record then
      local buried = call('HGET', hash, 't' .. id)
      local owner, how, act = tombstone(buried)
      if owner and owner ~= agent then return 'o' end
      if abandoned then
        begin()
        bury(id, agent, how or 'c', act or '')
      end
      return 'n'
    end
    local token = abandoned and DASHES or sub(op, 38, 53)
    if agent_of(record) ~= agent or (token ~= DASHES and token ~= sub(record, 2, 17)) then return 'o' end
    local how = byte(record) == 80 and 'c' or 'r'
    finish(id, record, how, '')
    if abandoned then bury(id, agent, how, '') end
    return how
  end

  local function look(op)
    local id = sub(op, 2, 37)
    local record = call('HGET', hash, 'l' .. id)
    if not record or byte(record) ~= 80 or now >= expires_of(record) then return '' end
    local is_blocked, soonest = blocked(id, record)
    if not is_blocked then return '' end
    listen(id, record)
    return format('%.0f', soonest - now)
  end

  local function end_if_dead(op)
    local id = sub(op, 2, 37)
    local record = call('HGET', hash, 'l' .. id)
    if not record or now < expires_of(record) then return '' end
    return { now14, record, expire(id, record) }
  end

  -- Who can be granted now that did not stand at the head before. In a line nobody behind the first live exclusive
  -- claim can be.
  local function wake()
    local seen, candidates = {}, {}
    for i = 1, #freed do
      local _, resources, count = claims_of(freed[i])
      for j = 1, count do
        local lines = hmget(lines_over(resources[j], subtrees > 0))
        for k = 1, #lines do
          local line = lines[k] or ''
          for at = 1, #line, 53 do
            local ticket = sub(line, at + 1, at + 52)
            local record = call('HGET', hash, 'l' .. sub(ticket, 17))
            if now < expires_of(record) then
              if byte(record) == 80 and not seen[ticket] then
                seen[ticket] = true
                candidates[#candidates + 1] = { sub(ticket, 17), record }
              end
              if byte(line, at) == 120 then break end
            end
          end
        end
      end
    end
    for i = 1, #candidates do
      local id, record = candidates[i][1], candidates[i][2]
      if not blocked(id, record) then call_out(id, record) end
    end
  end

  return {
    remove = remove, bury = bury, members_of = members_of, wake = wake, put = put, build_index = build_index, acquire = acquire_among_others,
    release = release_any, N = renew, B = release_any, V = release_any, L = look, X = end_if_dead,
  }
end

local answers = {}
for i = 4, #ARGV do
  local op = ARGV[i]
  local kind = byte(op)
  if kind == 65 then
    answers[i - 3] = acquire(op)
  elseif kind == 68 then
    answers[i - 3] = release(op)
  else
    answers[i - 3] = rare()[sub(op, 1, 1)](op)
  end
end

-- The first in the line of the only claim that was freed, if it waits for that alone; false when it is not as simple.
local function wake_next(record)
  local claims_at = 143 + tonumber(sub(record, 128, 130))
  local length = tonumber(sub(record, claims_at + 1, claims_at + 3))
  if subtrees > 0 or tonumber(sub(record, 131, 136)) ~= length + 4
    or byte(record, claims_at + 3 + length) == 42 then
    return false
  end
  local line = call('HGET', hash, 'r' .. sub(record, claims_at + 4, claims_at + 3 + length))
  if not line then return true end
  local id = sub(line, 18, 53)
  local first = call('HGET', hash, 'l' .. id)
  local first_claims_at = 143 + tonumber(sub(first, 128, 130))
  local first_length = tonumber(sub(first, first_claims_at + 1, first_claims_at + 3))
  if byte(line) ~= 120 or now >= expires_of(first) or tonumber(sub(first, 131, 136)) ~= first_length + 4 then
    return false
  end
  if byte(first) == 80 then call_out(id, first) end
  return true
end
if freed and pending > 0 and (#freed > 1 or not wake_next(freed[1])) then rare().wake() end

if event_count > 0 then
  call('XADD', history, format('%.0f-0', last), 'e', now14 .. format('%06d', event_count) .. table.concat(events))
end
if changed then
  if not indexed and call('HLEN', hash) > ${WALK_MOST} then
    rare().build_index()
    indexed = true
  end
  local text = '${HEAD_VERSION}' .. format('%016.0f', last) .. head_middle .. format('%08d%08d', pending, subtrees)
    .. (indexed and '1' or '0')
  local result = pcall_redis('HSET', hash, 'n', text)
  if type(result) == 'table' and result.err then rare().put('n', text) end
end
return answers
`;
