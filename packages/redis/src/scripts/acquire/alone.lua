-- One acquire alone of exclusive claims that nothing stands in the way of: where there are no subtree claims, and the
-- namespace is small.
local found = call('HMGET', hash, 'n', lone, unpack(ARGV, 7))
local head, free = found[1], not found[2]
for i = 3, #found do free = free and not found[i] end
if free and head and byte(head) == IS_VERSION and sub(head, HEAD_SUBTREES) == '\0\0\0\00000'
  and call('HLEN', hash) <= WALK_MOST - #ARGV then
  local token = read('>I7', head, HEAD_LAST) + 1
  if us > token then token = us end
  if token < TOKENS_END then
    local rest = ARGV[6]
    local record = pack('>c1I7I6I6I6c0', 'A', token, now + read('>I4', rest), now, now, rest)
    local ticket = pack('>c1I7c0', 'x', token, lone)
    local written = pack('>c1I7c0', LAYOUT_VERSION, token, sub(head, HEAD_PRUNED))
    local result
    if #ARGV == 7 then
      result = redis.pcall('HSET', hash, 'n', written, lone, record, ARGV[7], ticket)
    else
      local kept = { 'n', written, lone, record }
      for i = 7, #ARGV do
        kept[#kept + 1] = ARGV[i]
        kept[#kept + 1] = ticket
      end
      result = redis.pcall('HSET', hash, unpack(kept))
    end
    -- Where there is no room, what follows says so.
    if type(result) == 'number' then
      local entry = pack('>I6I2c1I7I3I3', now, 1, 'a', token, #record, 0) .. lone .. record
      call('XADD', history, string.format('%.0f-0', token), 'e', entry)
      return pack('>c0c1I7', stamp, 'G', token)
    end
  end
end
