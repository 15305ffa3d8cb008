-- Gives back an exclusive lease, and leaves the next in the queue of its only resource to be called; 'answer' stays nil
-- for all else.
local token, expires = read('>I7I6', record, RECORD_TOKEN)
local wanted = read('>I7', batch, from + RELEASE_TOKEN)
local claims_length, _, agent_length = read('>I3I3I2', record, RECORD_CLAIMS_LENGTH)
local first_claim = RECORD_NAME + agent_length
local claims_end = first_claim + claims_length - 1
local queues, count, claim, simple = {}, 0, first_claim, true
repeat
  local mode
  count = count + 1
  mode, queues[count], claim = read('>c1I2c0', record, claim)
  simple = simple and mode == 'x' and (subtrees == 0 or byte(record, claim - 1) ~= IS_ASTERISK)
until claim > claims_end
if simple and now < expires and (wanted == token or wanted == 0) and (pending == 0 or count == 1)
  and sub(record, RECORD_AGENT, first_claim - 1) == sub(batch, from + RELEASE_AGENT, to) then
  local behind = ''
  if pending > 0 then
    local queue = queues[1]
    behind = sub(value[queue] or call('HGET', hash, queue), 1 + TICKET_WIDTH)
    set(queue, behind ~= '' and behind)
  else
    -- Where no request waits, the queues of an exclusive lease hold nothing else.
    for i = 1, count do
      local queue = queues[i]
      dirty_count = dirty_count + 1
      dirty[dirty_count], value[queue] = queue, false
    end
  end
  set(lease, false)
  if bucketed then full().rebucket(lease, record, false) end
  record_event('r', next_number(), lease, record, '')
  answer = 'r'
  if behind ~= '' or (pending > 0 and subtrees > 0) then freed[#freed + 1] = record end
end
