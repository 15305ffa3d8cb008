-- One release alone of an exclusive lease, where no request waits, there are no subtree claims, and the namespace is
-- small: then its queues hold nothing else.
local found = call('HMGET', hash, 'n', lone)
local head, record, agent = found[1], found[2], ARGV[6]
if record and byte(record) == IS_ACTIVE and now < read('>I6', record, RECORD_EXPIRES)
  and byte(head) == IS_VERSION and sub(head, HEAD_PENDING) == '\0\0\0\0\0\0\0\00000'
  and sub(record, RECORD_TOKEN, RECORD_EXPIRES - 1) == ARGV[5]
  and sub(record, RECORD_AGENT, RECORD_AGENT + #agent - 1) == agent then
  local mode, queue
  local claim, claims_length = RECORD_AGENT + #agent, read('>I3', record, RECORD_CLAIMS_LENGTH)
  local claims_end = claim + claims_length
  mode, queue, claim = read('>c1I2c0', record, claim)
  local queues = mode == 'x' and { queue }
  while queues and claim < claims_end do
    mode, queue, claim = read('>c1I2c0', record, claim)
    queues[#queues + 1] = queue
    queues = mode == 'x' and queues
  end
  if queues then
    local number = read('>I7', head, HEAD_LAST) + 1
    if us > number and us < TOKENS_END then number = us end
    -- First a deletion: after it Redis lets a script finish, even when its memory is full.
    call('HDEL', hash, lone, unpack(queues))
    call('HSET', hash, 'n', pack('>c1I7c0', LAYOUT_VERSION, number, sub(head, HEAD_PRUNED)))
    local entry = pack('>I6I2c1I7I3I3', now, 1, 'r', number, #record, 0) .. lone .. record
    call('XADD', history, string.format('%.0f-0', number), 'e', entry)
    return stamp .. 'r'
  end
end
