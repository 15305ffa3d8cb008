/**
 * What nearly every call consists of: an exclusive lease of one resource that nobody else wants is taken, or given
 * back. It stands in the loop itself, since a function of Lua costs as much to make as such an operation.
 */
import { TOKENS_END } from "../layout.js";

/** Parses the operations, and reads in one go what they name. */
export const LOAD = `
-- Six parts of each: where it begins and ends, its lease and, of one claim that is no subtree, its line and where that
-- claim begins and ends. One table that grows costs less than six.
local parts, last_part = {}, 0
local fields, named = { 'n' }, 1
do
  local at = 16
  while at <= #text do
    local from, to = at + 3, at + 2 + read('>I3', text, at)
    local lease, line, claim_at, claim_end = nil, false, false, false
    if byte(text, from) == 65 then
      lease = sub(text, from + 2, from + 38)
      local claims_length, _, agent_length = read('>I3I3I2', text, from + 75)
      claim_at = from + 83 + agent_length
      claim_end = claim_at + 2 + read('>I2', text, claim_at + 1)
      line = sub(text, claim_at + 3, claim_end)
      named = named + 1
      fields[named] = line
      if claim_end ~= claim_at + claims_length - 1 or byte(text, claim_end) == 42 then line = false end
    else
      lease = sub(text, from + 1, from + 37)
    end
    named = named + 1
    fields[named] = lease
    parts[last_part + 1], parts[last_part + 2], parts[last_part + 3] = from, to, lease
    parts[last_part + 4], parts[last_part + 5], parts[last_part + 6] = line, claim_at, claim_end
    last_part = last_part + 6
    at = to + 1
  end
end
local found = call('HMGET', hash, unpack(fields))
local head = found[1]
`;

/** Grants what nobody else wants, and what was called to take its turn; `answer` stays nil for all else. */
const ACQUIRE = `
    local ahead = value[line]
    if not record and not ahead then
      if has_room and us < ${TOKENS_END} and last < ${TOKENS_END} then
        local token, expires = number(), now + read('>I4', text, from + 43)
        record = pack('>c1I7I6I6I6c0', 'A', token, expires, now, now, sub(text, from + 43, to))
        value[lease], value[line] = record, pack('>c1I7c37', sub(text, claim_at, claim_at), token, lease)
        dirty[dirty_count + 1], dirty[dirty_count + 2] = lease, line
        dirty_count = dirty_count + 2
        entered = true
        if bucketed then rare().rebucket(lease, false, record) end
        tell('a', token, lease, record, '')
        answer = pack('>c1I7', 'G', token)
      end
    elseif record and ahead and byte(record) == 80 and sub(ahead, 9, 45) == lease and now < read('>I6', record, 9)
      and read('>I3', record, 59) == claim_end - claim_at + 1
      and sub(record, 65, claim_end - from - 16) == sub(text, from + 81, claim_end) then
      answer = promote(lease, record)
    end
`;

/** Gives back an exclusive lease of one resource, and calls the next in its line. */
const RELEASE = `
    local token, expires = read('>I7I6', record, 2)
    local asked = read('>I7', text, from + 38)
    local claims_length, _, agent_length = read('>I3I3I2', record, 59)
    local claims_at = 67 + agent_length
    local claims_end = claims_at + claims_length - 1
    if now < expires and (asked == token or asked == 0) and byte(record, claims_at) == 120
      and read('>I2', record, claims_at + 1) == claims_length - 3 and byte(record, claims_end) ~= 42
      and sub(record, 65, claims_at - 1) == sub(text, from + 45, to) then
      local line, behind = sub(record, claims_at + 3, claims_end), ''
      if pending > 0 then
        behind = value[line] or call('HGET', hash, line)
        value[line] = behind
        behind = sub(behind, 46)
      end
      -- Where nobody waits, the line of an exclusive lease has nobody else in it.
      value[lease], value[line] = false, behind ~= '' and behind
      dirty[dirty_count + 1], dirty[dirty_count + 2] = lease, line
      dirty_count = dirty_count + 2
      if bucketed then rare().rebucket(lease, record, false) end
      tell('r', number(), lease, record, '')
      answer = 'r'
      if behind ~= '' or subtrees > 0 then freed[#freed + 1] = record end
    end
`;

/**
 * Calls the first in the line of the only claim that was freed, if it waits for that alone; `freed` keeps whatever is
 * not as simple.
 */
const CALL_NEXT = `
if #freed == 1 and subtrees == 0 then
  local record = freed[1]
  local claims_length, _, agent_length = read('>I3I3I2', record, 59)
  local line = value[sub(record, 70 + agent_length, 66 + agent_length + claims_length)]
  if line and byte(line) == 120 then
    local next_lease = sub(line, 9, 45)
    local listeners = 'w' .. sub(next_lease, 2)
    local next = value[next_lease]
    if next == nil then
      local both = call('HMGET', hash, next_lease, listeners)
      value[next_lease], value[listeners] = both[1], both[2]
      next = both[1]
    end
    if byte(next) == 80 and now < read('>I6', next, 9) and not value[listeners]
      and read('>I3', next, 59) == read('>I2', next, 68 + read('>I2', next, 65)) + 3 then
      calls[#calls + 1] = sub(next, 51, 58)
      calls[#calls + 1] = sub(next_lease, 2)
      freed = {}
    end
  end
end
`;

export const DECIDE = `
for part = 0, last_part - 6, 6 do
  local from, to, lease = parts[part + 1], parts[part + 2], parts[part + 3]
  local line, claim_at, claim_end = parts[part + 4], parts[part + 5], parts[part + 6]
  local kind, record, answer = byte(text, from), value[lease], nil
  if kind == 65 and line and (subtrees == 0 or not rare().is_covered(line)) then
${ACQUIRE}
  elseif kind == 68 and record and byte(record) == 65 then
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
