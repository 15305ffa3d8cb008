/**
 * What nearly every call consists of: an exclusive lease of one resource that nobody else wants is taken, or given
 * back. It stands in the loop itself, since a function of Lua costs as much to make as such an operation.
 */
import { TOKENS_END } from "../layout.js";

/** Parses the operations, and reads in one go what they name. */
export const LOAD = `
local text = ARGV[4]
local begins, ends, lease_of, line_of, claim_at, count = {}, {}, {}, {}, {}, 0
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
        line_of[count], claim_at[count] = line, claims_at
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

export const DECIDE = `
for i = 1, count do
  local from, to, lease, line = begins[i], ends[i], lease_of[i], line_of[i]
  local kind, answer = byte(text, from), nil
  local record = value[lease]
  if kind == 65 then
    if line and has_room and not record and not value[line] and us < ${TOKENS_END} and last < ${TOKENS_END}
      and (subtrees == 0 or not rare().is_covered(line)) then
      local token = number()
      record = pack('>c1I7I6I6I6', 'A', token, now + read('>I4', text, from + 43), now, now) .. sub(text, from + 43, to)
      set(lease, record)
      set(line, pack('>c1I7', sub(text, claim_at[i], claim_at[i]), token) .. lease)
      entered = true
      tell('a', token, lease, record, '')
      answer = pack('>c1I7', 'G', token)
    end
  elseif kind == 68 and record and pending == 0 and byte(record) == 65 then
    -- Where nobody waits, the line of an exclusive lease has nobody else in it.
    local token, expires = read('>I7I6', record, 2)
    local asked = read('>I7', text, from + 38)
    local claims_length, _, agent_length = read('>I3I3I2', record, 59)
    local claims_at = 67 + agent_length
    if now < expires and (asked == token or asked == 0) and byte(record, claims_at) == 120
      and read('>I2', record, claims_at + 1) == claims_length - 3 and byte(record, claims_at + claims_length - 1) ~= 42
      and sub(record, 65, claims_at - 1) == sub(text, from + 45, to) then
      set(lease, false)
      set(sub(record, claims_at + 3, claims_at + claims_length - 1), false)
      tell('r', number(), lease, record, '')
      answer = 'r'
    end
  end
  answers[i + 1] = answer or rare()[sub(text, from, from)](sub(text, from, to))
end
if #freed > 0 and pending > 0 then rare().wake() end
`;
