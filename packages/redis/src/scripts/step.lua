-- Carries out operations, one after the other: all that takes, keeps, gives back and ends leases.
--
-- KEYS  the hash, the index and the history of one namespace (see 'layout.ts')
-- ARGV  1 the number of the call; 2 settings: the calling client 8, ms that an end is remembered 6, '1' if renewals
--       are recorded; then either
--       3 up to a batch of operations, each its length in 3 bytes, then (a lease is 'l' and its id)
--   'A' wait 1 ('2': and take a hand-off) . lease . ttl of waiting 4 . a record from its ttl on                 acquire
--   'N' lease . token 7 . ttl 4 . renewal 7 . agent                                                            renew
--   'D' lease . token 7 . agent             release      'B' lease . agent                                      abandon
--   'V' lease . grace 6 . who and why       revoke       'C' lease        check whether its turn has come, and listen
--   'X' lease                               end it if it is past its time
--   (0 stands for what was left out)
--       or the parts of a single one: of a release 3 'D', 4 lease, 5 token, 6 agent; of an acquire of exclusive claims
--       without a subtree 3 'A' wait, 4 lease, 5 ttl of waiting, 6 the record from its ttl on, 7... the queues
-- Answers {stamp, answer...}, one for each operation; to the parts of a single one it may be stamp . answer:
--   'A': 'G' token 7 a new grant; {'g', record} granted from the queue; {'H', record} handed over, and asked for
--        the first time; {'R', record} repeated ·
--        {'F' blockers 4 . soonest expiry 6, record or '', lease . record of the first blockers...} refused ·
--        'E' end . who and why: ended; 'O' another agent's; 'C' other claims; 'T' no tokens left; 'M' no room
--   'N': {'N', record}; {'R', record} repeated; {'x', record} out of order; 'n' not found; 'o' not owner ·
--        'p' pending; 'e' expired; 'v' who and why: revoked; 'l' most renewals 7: limit
--   'D' 'B' 'V': 'r'eleased, 'c'ancelled, re'v'oked, revokin'g', not 'o'wner, 'n'ot found
--   'C': ms until it is worth looking again 6; '' when the turn may have come
--   'X': {record, end}, or '' when it is not there or not past its time
-- Publishes the id of every waiter that can now be granted, on the channel of its client; of one that was granted on
-- the way (a hand-off) its id, its token and the server's time in ms, with spaces between.
--
-- The plain case comes first: a single operation that nothing stands in the way of. All else goes on behind it, where
-- operations see what those before them did, and nothing is written before all are decided: then everything is, in one
-- command for each kind of write. When memory is full for a new lease that first command says so, nothing was
-- written, and the operations are decided once more, with no room for new leases.

-- include shared/clock
local batch, lone = ARGV[3], ARGV[4]
if lone then
  if batch == 'D' then
    -- include release/alone
  else
    -- include acquire/alone
  end
  local op = table.concat(ARGV, '', 3, 6)
  batch = pack('>I3', #op) .. op
end

local find = string.find
-- include shared/parts
-- include step/operations
-- include shared/version
-- include step/state
local has_room = true
-- Making these functions costs as much as several operations, so it is done when one of them is needed.
local made
local function full()
  if made then return made end
  local settings = ARGV[2]
  local client = sub(settings, SETTINGS_CLIENT, SETTINGS_END_MEMORY - 1)
  local end_memory = read('>I6', settings, SETTINGS_END_MEMORY)
  local record_renewals = byte(settings, SETTINGS_RECORD_RENEWALS) == IS_YES
  -- include shared/records
  -- include shared/queues
  -- include shared/hmget
  -- include shared/walk
  -- include step/buckets
  -- include step/rivals
  -- include step/wake
  -- include step/finish
  -- include acquire/full
  -- include release/full
  -- include revoke
  -- include renew
  -- include check
  -- include expire
  made = {
    wake = wake, rebucket = rebucket, build_buckets = build_buckets,
    A = acquire, N = renew, D = release, B = abandon, V = revoke, C = check, X = end_if_dead,
  }
  return made
end
-- include step/covered

local answers
repeat
  local again = not has_room
  value, dirty, dirty_count, events, event_count, calls, freed, entered = {}, {}, 0, {}, 0, {}, {}, false
  for i = 1, asked_count do value[asked[i]] = contents[i] end
  if head then
    last, pruned, epoch, pending, subtrees = read('>I7I7I7I4I4', head, HEAD_LAST)
    indexed, bucketed = byte(head, HEAD_INDEXED) == IS_YES, byte(head, HEAD_BUCKETED) == IS_YES
  else
    last, pruned, epoch, pending, subtrees, indexed, bucketed = 0, 0, us, 0, 0, false, false
  end
  local was_indexed = indexed
  answers = { stamp }
  local answered = 1
  for part = 0, last_part - 6, 6 do
    local from, to, lease = parts[part + 1], parts[part + 2], parts[part + 3]
    local first, last_queue, claims_at = parts[part + 4], parts[part + 5], parts[part + 6]
    local kind, record, answer = byte(batch, from), value[lease], nil
    -- The plain ones stand in the loop itself, since a function costs as much to make as such an operation.
    if kind == IS_ACQUIRE and first then
      -- include acquire/plain
    elseif kind == IS_RELEASE and record and (byte(record) == IS_ACTIVE or byte(record) == IS_HANDED_OVER) then
      -- include release/plain
    end
    answered = answered + 1
    answers[answered] = answer or full()[sub(batch, from, from)](sub(batch, from, to))
  end
  if pending > 0 and #freed > 0 then
    -- include step/call-next
    if #freed > 0 then full().wake() end
  end
  if dirty_count > 0 or indexed ~= was_indexed then
    -- include step/write
  end
until has_room or again
return answers
