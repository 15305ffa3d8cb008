-- A stretch of the history, with where it begins and ends in the same step.
--
-- KEYS  the hash, the index and the history of one namespace
-- ARGV  1 the number of the call, 2 after this number, 3 how many entries at most (0: none)
-- Answers {stamp, the head, entry...}; the head is '' for an untouched namespace

-- include shared/clock
local head = call('HGET', hash, 'n')
if not head then return { stamp, '' } end
-- include shared/version
local answer = { stamp, head }
if tonumber(ARGV[3]) > 0 then
  local entries = call('XRANGE', history, ARGV[2] .. '-1', '+', 'COUNT', ARGV[3])
  for i = 1, #entries do answer[i + 2] = entries[i][2][2] end
end
return answer
