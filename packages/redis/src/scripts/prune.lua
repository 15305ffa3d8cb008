-- Prunes history from its oldest end.
--
-- KEYS  the hash, the index and the history of one namespace
-- ARGV  1 the number of the call, 2 ms to keep, 3 how many entries to look at, at most
-- Answers {stamp, how many events were pruned, '1' when there may be more}

-- include shared/clock
local head = call('HGET', hash, 'n')
if not head then return { stamp, 0, '0' } end
-- include shared/version
local keep_from = now - tonumber(ARGV[2])
local entries = call('XRANGE', history, '-', '+', 'COUNT', ARGV[3])
local pruned, entry_count, through = 0, 0, nil
for i = 1, #entries do
  local at, events = read('>I6I2', entries[i][2][2])
  if at >= keep_from then break end
  pruned = pruned + events
  entry_count = i
  through = string.match(entries[i][1], '%d+')
end
if not through then return { stamp, 0, '0' } end
local all = entry_count == #entries
local has_more = all and #entries == tonumber(ARGV[3])
if all and not has_more then
  call('DEL', history)
else
  call('XTRIM', history, 'MINID', through .. '-1')
end
local after = sub(head, HEAD_EPOCH)
call('HSET', hash, 'n', sub(head, 1, HEAD_PRUNED - 1) .. pack('>I7', tonumber(through)) .. after)
return { stamp, pruned, has_more and '1' or '0' }
