-- Writes what changed. When there is no room for a new lease the first write says so, and none was made. Ending and
-- renewing always find room: after a deletion Redis lets a script finish, even when its memory is full.
local kept, gone, new_queues, old_queues = { 'n', false }, {}, {}, {}
local kept_count, gone_count = 2, 0
for i = 1, dirty_count do
  local field = dirty[i]
  local content = value[field]
  -- Each once.
  value[field] = nil
  if content then
    kept[kept_count + 1], kept[kept_count + 2] = field, content
    kept_count = kept_count + 2
    if indexed and byte(field) == IS_QUEUE then
      new_queues[#new_queues + 1] = 0
      new_queues[#new_queues + 1] = field
    end
  elseif content == false then
    gone_count = gone_count + 1
    gone[gone_count] = field
    if indexed and byte(field) == IS_QUEUE then old_queues[#old_queues + 1] = field end
  end
end
kept[2] = pack('>c1I7I7I7I4I4', LAYOUT_VERSION, last, pruned, epoch, pending, subtrees)
  .. (indexed and '1' or '0') .. (bucketed and '1' or '0')

local written = true
if entered then
  local result = redis.pcall('HSET', hash, unpack(kept, 1, math.min(kept_count, PART)))
  if type(result) == 'table' and result.err then
    if not find(result.err, 'OOM', 1, true) then return result end
    has_room, written = false, false
  else
    for from = PART + 1, kept_count, PART do
      call('HSET', hash, unpack(kept, from, math.min(from + PART - 1, kept_count)))
    end
    if gone_count > 0 then in_parts('HDEL', hash, gone) end
  end
else
  if gone_count == 0 then gone[1] = '' end
  in_parts('HDEL', hash, gone)
  in_parts('HSET', hash, kept)
end

if written then
  -- Leftovers of a namespace whose hash is gone would stand in the way of the new one.
  if not head then call('DEL', index, history) end
  if indexed then
    in_parts('ZADD', index, new_queues)
    in_parts('ZREM', index, old_queues)
  end
  if event_count > 0 then
    local entry = pack('>I6I2', now, event_count) .. table.concat(events)
    call('XADD', history, string.format('%.0f-0', last), 'e', entry)
  end
  -- What is done is done: a user that may not publish leaves its waiters to their heartbeats.
  for i = 1, #calls, 2 do redis.pcall('PUBLISH', hash .. ':' .. calls[i], calls[i + 1]) end
  if entered and not bucketed and call('HLEN', hash) > WALK_MOST then full().build_buckets(kept[2]) end
end
