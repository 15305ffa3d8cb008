-- Gives up what a small namespace does not need: so that one subtree claim, or one busy hour, does not cost for ever.
--
-- KEYS  the hash, the index and the history of one namespace
-- ARGV  1 the number of the call
-- Answers {stamp}

-- include shared/clock
local head = call('HGET', hash, 'n')
if not head then return { stamp } end
-- include shared/version
-- include shared/parts
-- include shared/walk
if call('HLEN', hash) > WALK_MOST / 2 then return { stamp } end
local indexed = byte(head, HEAD_INDEXED) == IS_YES and read('>I4', head, HEAD_SUBTREES) > 0
if not indexed then call('DEL', index) end
if byte(head, HEAD_BUCKETED) == IS_YES then
  local buckets = {}
  walk(function(field)
    if byte(field) == IS_BUCKET then buckets[#buckets + 1] = field end
  end)
  in_parts('HDEL', hash, buckets)
end
local text = sub(head, 1, HEAD_INDEXED - 1) .. (indexed and '1' or '0') .. '0'
if text ~= head then call('HSET', hash, 'n', text) end
return { stamp }
