-- One step of a walk over everything that is kept, in small steps, so that no other call has to wait for it. Finds live
-- leases for a listing, or, for a sweep, those past their time, and forgets ends that were remembered long enough.
--
-- KEYS  the hash, the index and the history of one namespace
-- ARGV  1 the number of the call, 2 cursor, 3 how many fields at about, 4 'live' or 'dead',
--       5 only what overlaps with the subtree of this queue's resource ('' for all)
-- Answers {stamp, next cursor ('0' at the end), token 7 . lease...}

-- include shared/clock
-- include shared/records
-- include shared/parts
-- include shared/overlaps
local scanned = call('HSCAN', hash, ARGV[2], 'COUNT', ARGV[3])
local dead, base = ARGV[4] == 'dead', ARGV[5] ~= '' and subtree_base(ARGV[5])
local answer, fields = { stamp, scanned[1] }, scanned[2]
local forgotten = {}
for i = 1, #fields, 2 do
  local field, value = fields[i], fields[i + 1]
  if byte(field) == IS_LEASE then
    if not is_record(value) then
      if dead and now >= read('>I6', value, TOMBSTONE_UNTIL) then forgotten[#forgotten + 1] = field end
    elseif (now >= expires_of(value)) == dead and (not base or overlaps_subtree(value, base)) then
      answer[#answer + 1] = sub(value, RECORD_TOKEN, RECORD_EXPIRES - 1) .. field
    end
  end
end
in_parts('HDEL', hash, forgotten)
return answer
