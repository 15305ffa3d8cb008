/**
 * What nearly every call consists of: an exclusive lease of one resource that nobody else wants is taken, or given
 * back. It stands in the loop itself, since a function of Lua costs as much to make as such an operation.
 */
import { TOKENS_END } from "../layout.js";

/** Parses the operations, and reads in one go what they name. */
export const LOAD = `
local text = ARGV[4]
local begins, ends, lease_of, line_of, claim_at, claim_end, count = {}, {}, {}, {}, {}, {}, 0
local fields, named = { 'n' }, 1
do
  local at = 1
  while at <= #text do
    local from, to = at + 3, at + 2 + read('>I3', text, at)
    count = count + 1
    begins[count], ends[count] = from, to
    local lease
    if byte(text, from) == 65 then
      lease = sub(text, from + 2, from + 38)
      local claims_length, _, agent_length = read('>I3I3I2', text, from + 75)
      local claims_at = from + 83 + agent_length
      local line_to = claims_at + 2 + read('>I2', text, claims_at + 1)
      local line = sub(text, claims_at + 3, line_to)
      named = named + 1
      fields[named] = line
      -- Of one claim that is no subtree.
      if line_to == claims_at + claims_length - 1 and byte(text, line_to) ~= 42 then
        line_of[count], claim_at[count], claim_end[count] = line, claims_at, line_to
      end
    else
      lease = sub(text, from + 1, from + 37)
    end
    lease_of[count] = lease
    named = named + 1
    fields[named] = lease
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
        set(lease, record)
        set(line, pack('>c1I7c37', sub(text, claim_at[i], claim_at[i]), token, lease))
        entered = true
        tell('a', token, lease, record, '')
        answer = pack('>c1I7', 'G', token)
      end
    elseif record and ahead and byte(record) == 80 and sub(ahead, 9, 45) == lease and now < read('>I6', record, 9)
      and read('>I3', record, 59) == claim_end[i] - claim_at[i] + 1
      and sub(record, 65, claim_end[i] - from - 16) == sub(text, from + 81, claim_end[i]) then
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
      set(line, behind ~= '' and behind)
      set(lease, false)
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
for i = 1, count do
  local from, to, lease, line = begins[i], ends[i], lease_of[i], line_of[i]
  local kind, record, answer = byte(text, from), value[lease_of[i]], nil
  if kind == 65 and line and (subtrees == 0 or not rare().is_covered(line)) then
${ACQUIRE}
  elseif kind == 68 and record and byte(record) == 65 then
${RELEASE}
  end
  answers[i + 1] = answer or rare()[sub(text, from, from)](sub(text, from, to))
end
if pending > 0 and #freed > 0 then
${CALL_NEXT}
  if #freed > 0 then rare().wake() end
end
`;
