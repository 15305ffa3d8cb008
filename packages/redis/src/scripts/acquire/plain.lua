-- Grants what no other request wants, and what was called to take its turn; 'answer' stays nil for all else. For each
-- claim it calls as little as it can: what is written out here could be a call of 'set'.
local taken = record
for i = first, last_queue do
  local queue = asked[i]
  taken = taken or value[queue] or (subtrees > 0 and is_covered(queue))
end
if not taken then
  if has_room and us < TOKENS_END and last < TOKENS_END then
    local token, expires = next_number(), now + read('>I4', batch, from + ACQUIRE_TTL)
    record = pack('>c1I7I6I6I6c0', 'A', token, expires, now, now, sub(batch, from + ACQUIRE_TTL, to))
    set(lease, record)
    local claim, mode, ticket = claims_at, nil, nil
    for i = first, last_queue do
      local queue = asked[i]
      if byte(batch, claim) ~= mode then
        mode = byte(batch, claim)
        ticket = sub(batch, claim, claim) .. sub(record, RECORD_TOKEN, RECORD_EXPIRES - 1) .. lease
      end
      dirty_count = dirty_count + 1
      dirty[dirty_count], value[queue] = queue, ticket
      claim = claim + CLAIM_QUEUE + #queue
    end
    entered = true
    if bucketed then full().rebucket(lease, false, record) end
    record_event('a', token, lease, record, '')
    answer = pack('>c1I7', 'G', token)
  end
elseif record and first == last_queue and byte(record) == IS_PENDING and now < read('>I6', record, RECORD_EXPIRES) then
  local queue = asked[first]
  local ahead, claim_end = value[queue], claims_at + CLAIM_QUEUE - 1 + #queue
  if ahead and sub(ahead, 1 + TICKET_LEASE, TICKET_WIDTH) == lease
    and read('>I3', record, RECORD_CLAIMS_LENGTH) == #queue + CLAIM_QUEUE
    and sub(record, RECORD_AGENT, RECORD_AGENT + claim_end - from - ACQUIRE_AGENT)
      == sub(batch, from + ACQUIRE_AGENT, claim_end)
    and (subtrees == 0 or not is_covered(queue)) then
    answer = promote(lease, record, 'A')
  end
end
