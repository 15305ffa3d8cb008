-- Parses the operations, and reads in one go what they name.
-- Six parts of each: where it begins and ends, its lease, and, of claims of which none is a subtree, the first and last
-- of their queues among the asked, and where the claims begin. One table that grows costs less than six.
local parts, last_part = {}, 0
local asked, asked_count = { 'n' }, 1
local has_subtrees = find(batch, '**', 1, true)
do
  local at = 1
  while at <= #batch do
    local from, to = at + 3, at + 2 + read('>I3', batch, at)
    local lease
    local first, claims_at = false, false
    if byte(batch, from) == IS_ACQUIRE then
      lease = sub(batch, from + ACQUIRE_LEASE, from + ACQUIRE_WAITING - 1)
      local claims_length, _, agent_length = read('>I3I3I2', batch, from + ACQUIRE_CLAIMS_LENGTH)
      claims_at, first = from + ACQUIRE_NAME + agent_length, asked_count + 1
      local claim, claims_end = claims_at, claims_at + claims_length - 1
      repeat
        asked_count = asked_count + 1
        asked[asked_count], claim = read('>I2c0', batch, claim + CLAIM_LENGTH)
        if has_subtrees and byte(batch, claim - 1) == IS_ASTERISK then first = false end
      until claim > claims_end
    else
      lease = sub(batch, from + OPERATION_LEASE, from + OPERATION_REST - 1)
    end
    parts[last_part + 1], parts[last_part + 2], parts[last_part + 3] = from, to, lease
    parts[last_part + 4], parts[last_part + 5], parts[last_part + 6] = first, asked_count, claims_at
    last_part = last_part + 6
    asked_count = asked_count + 1
    asked[asked_count] = lease
    at = to + 1
  end
end
local contents = call('HMGET', hash, unpack(asked, 1, math.min(asked_count, PART)))
for from = PART + 1, asked_count, PART do
  local more = call('HMGET', hash, unpack(asked, from, math.min(from + PART - 1, asked_count)))
  for i = 1, #more do contents[from + i - 1] = more[i] end
end
local head = contents[1]
