/**
 * What nearly every call consists of: a lease of resources that nobody else wants is taken, or given back. It stands in
 * the loop itself, since a function of Lua costs as much to make as such an operation. For each claim it calls as
 * little as it can: what is written out here could be a call of `set`.
 */
import { TOKENS_END } from "../layout.js";

/** Parses the operations, and reads in one go what they name. */
export const LOAD = `
-- Six parts of each: where it begins and ends, its lease, and, of claims of which none is a subtree, the first and last
-- of their queues among the fields, and where the claims begin. One table that grows costs less than six.
local parts, last_part = {}, 0
local fields, named = { 'n' }, 1
local has_subtrees = find(text, '**', 16, true)
do
  local at = 16
  while at <= #text do
    local from, to = at + 3, at + 2 + read('>I3', text, at)
    local lease, first, claims_at = nil, false, false
    if byte(text, from) == 65 then
      lease = sub(text, from + 2, from + 38)
      local claims_length, _, agent_length = read('>I3I3I2', text, from + 75)
      claims_at, first = from + 83 + agent_length, named + 1
      local claim, claims_end = claims_at, claims_at + claims_length - 1
      repeat
        named = named + 1
        fields[named], claim = read('>I2c0', text, claim + 1)
        if has_subtrees and byte(text, claim - 1) == 42 then first = false end
      until claim > claims_end
    else
      lease = sub(text, from + 1, from + 37)
    end
    parts[last_part + 1], parts[last_part + 2], parts[last_part + 3] = from, to, lease
    parts[last_part + 4], parts[last_part + 5], parts[last_part + 6] = first, named, claims_at
    last_part = last_part + 6
    named = named + 1
    fields[named] = lease
    at = to + 1
  end
end
local found = call('HMGET', hash, unpack(fields, 1, math.min(named, PART)))
for from = PART + 1, named, PART do
  local more = call('HMGET', hash, unpack(fields, from, math.min(from + PART - 1, named)))
  for i = 1, #more do found[from + i - 1] = more[i] end
end
local head = found[1]
`;

/** Grants what nobody else wants, and what was called to take its turn; `answer` stays nil for all else. */
const ACQUIRE = `
    local taken = record
    for i = first, last_queue do
      local queue = fields[i]
      taken = taken or value[queue] or (subtrees > 0 and is_covered(queue))
    end
    if not taken then
      if has_room and us < ${TOKENS_END} and last < ${TOKENS_END} then
        local token, expires = number(), now + read('>I4', text, from + 43)
        record = pack('>c1I7I6I6I6c0', 'A', token, expires, now, now, sub(text, from + 43, to))
        set(lease, record)
        local claim, mode, ticket = claims_at, nil, nil
        for i = first, last_queue do
          local queue = fields[i]
          if byte(text, claim) ~= mode then
            mode = byte(text, claim)
            ticket = sub(text, claim, claim) .. sub(record, 2, 8) .. lease
          end
          dirty_count = dirty_count + 1
          dirty[dirty_count], value[queue] = queue, ticket
          claim = claim + 3 + #queue
        end
        entered = true
        if bucketed then rare().rebucket(lease, false, record) end
        tell('a', token, lease, record, '')
        answer = pack('>c1I7', 'G', token)
      end
    elseif record and first == last_queue and byte(record) == 80 and now < read('>I6', record, 9) then
      local queue = fields[first]
      local ahead, claim_end = value[queue], claims_at + 2 + #queue
      if ahead and sub(ahead, 9, 45) == lease and read('>I3', record, 59) == #queue + 3
        and sub(record, 65, claim_end - from - 16) == sub(text, from + 81, claim_end)
        and (subtrees == 0 or not is_covered(queue)) then
        answer = promote(lease, record, 'A')
      end
    end
`;

/** Gives back an exclusive lease, and calls the next in the queue of its only resource. */
const RELEASE = `
    local token, expires = read('>I7I6', record, 2)
    local asked = read('>I7', text, from + 38)
    local claims_length, _, agent_length = read('>I3I3I2', record, 59)
    local claims_at = 67 + agent_length
    local claims_end = claims_at + claims_length - 1
    local queues, count, claim, simple = {}, 0, claims_at, true
    repeat
      local mode
      count = count + 1
      mode, queues[count], claim = read('>c1I2c0', record, claim)
      simple = simple and mode == 'x' and (subtrees == 0 or byte(record, claim - 1) ~= 42)
    until claim > claims_end
    if simple and now < expires and (asked == token or asked == 0) and (pending == 0 or count == 1)
      and sub(record, 65, claims_at - 1) == sub(text, from + 45, to) then
      local behind = ''
      if pending > 0 then
        local queue = queues[1]
        behind = sub(value[queue] or call('HGET', hash, queue), 46)
        set(queue, behind ~= '' and behind)
      else
        -- Where nobody waits, the queues of an exclusive lease have nobody else in them.
        for i = 1, count do
          local queue = queues[i]
          dirty_count = dirty_count + 1
          dirty[dirty_count], value[queue] = queue, false
        end
      end
      set(lease, false)
      if bucketed then rare().rebucket(lease, record, false) end
      tell('r', number(), lease, record, '')
      answer = 'r'
      if behind ~= '' or (pending > 0 and subtrees > 0) then freed[#freed + 1] = record end
    end
`;

/**
 * Calls the first in the queue of the only claim that was freed, if it waits for that alone, and hands the lease to it if
 * its client takes that; `freed` keeps whatever is not as simple.
 */
const CALL_NEXT = `
if #freed == 1 and subtrees == 0 then
  local record = freed[1]
  local claims_length, _, agent_length = read('>I3I3I2', record, 59)
  local queue = value[sub(record, 70 + agent_length, 66 + agent_length + claims_length)]
  if queue and byte(queue) == 120 then
    local next_lease = sub(queue, 9, 45)
    local listeners = 'w' .. sub(next_lease, 2)
    local next = value[next_lease]
    if next == nil then
      local both = call('HMGET', hash, next_lease, listeners)
      value[next_lease], value[listeners] = both[1], both[2]
      next = both[1]
    elseif value[listeners] == nil then
      value[listeners] = call('HGET', hash, listeners)
    end
    if byte(next) == 80 and now < read('>I6', next, 9) and not value[listeners]
      and read('>I3', next, 59) == read('>I2', next, 68 + read('>I2', next, 65)) + 3 then
      local listener, id = sub(next, 51, 58), sub(next_lease, 2)
      if read('>I6', next, 21) == 1 then
        -- A client that crashed does not listen any more. (Where that may not be asked, nothing is handed over.)
        local listening = pcall_redis('PUBSUB', 'NUMSUB', hash .. ':' .. listener)
        if not listening.err and listening[2] > 0 then
          promote(next_lease, next, 'H')
          id = string.format('%s %.0f %.0f', id, read('>I7', next, 2), now)
        end
      end
      calls[#calls + 1] = listener
      calls[#calls + 1] = id
      freed = {}
    end
  end
end
`;

/** Whether a resource lies in a subtree that somebody claims. */
const COVERED = `
local function is_covered(queue)
  local slash, covering = 1, 'r**'
  while true do
    local claimed = value[covering]
    if claimed == nil then
      claimed = call('HGET', hash, covering)
      value[covering] = claimed
    end
    if claimed then return true end
    if not slash then return false end
    slash = find(queue, '/', slash + 1, true)
    covering = (slash and sub(queue, 1, slash) or queue .. '/') .. '**'
  end
end
`;

export const DECIDE = `${COVERED}
for part = 0, last_part - 6, 6 do
  local from, to, lease = parts[part + 1], parts[part + 2], parts[part + 3]
  local first, last_queue, claims_at = parts[part + 4], parts[part + 5], parts[part + 6]
  local kind, record, answer = byte(text, from), value[lease], nil
  if kind == 65 and first then
${ACQUIRE}
  elseif kind == 68 and record and (byte(record) == 65 or byte(record) == 72) then
${RELEASE}
  end
  answered = answered + 1
  answers[answered] = answer or rare()[sub(text, from, from)](sub(text, from, to))
end
if pending > 0 and #freed > 0 then
${CALL_NEXT}
  if #freed > 0 then rare().wake() end
end
`;
