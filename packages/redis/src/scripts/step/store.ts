/** What the step script reads and writes, each in one go: a call of Redis costs more than what it does. */
import { TOKENS_END, VERSION, WALK_MOST } from "../layout.js";

/** The head, the hash as far as it was read, and what operations make of both. */
export const STORE = `
-- What the fields hold, as far as they were read (false: nothing), and which of them changed (some more than once).
local value, dirty, dirty_count
-- The head.
local last, pruned, epoch, pending, subtrees, indexed, bucketed
-- The history of this call, three parts an event; clients to call, and for which id; records of what was ended.
local events, event_count, calls, freed
-- Whether a new lease was entered, for which there may be no room.
local entered

-- With false for a value the field goes.
local function set(field, text)
  dirty_count = dirty_count + 1
  dirty[dirty_count] = field
  value[field] = text
end

local function number()
  last = last + 1
  if us > last and us < ${TOKENS_END} then last = us end
  return last
end

local function tell(kind, number, lease, record, act)
  local at = 3 * event_count
  event_count = event_count + 1
  events[at + 1] = pack('>c1I7I3I3c37', kind, number, #record, #act, lease)
  events[at + 2], events[at + 3] = record, act
end

-- Gives a pending lease what it waited for: to who asks, or (state 'H') by a hand-off.
local function promote(lease, record, state)
  local expires = pack('>I6', now + read('>I4', record, 27))
  record = state .. sub(record, 2, 8) .. expires .. sub(record, 15, 20) .. pack('>I6', now) .. sub(record, 27)
  set(lease, record)
  set('w' .. sub(lease, 2), false)
  pending = pending - 1
  tell('a', number(), lease, record, '')
  return { 'g', record }
end
`;

/**
 * Writes what changed. When there is no room for a new lease the first write says so, and none was made. Ending and
 * renewing always find room: after a deletion Redis lets a script finish, even when its memory is full.
 */
export const FLUSH = `
local kept, gone, new_queues, old_queues = { 'n', false }, {}, {}, {}
local kept_count, gone_count = 2, 0
for i = 1, dirty_count do
  local field = dirty[i]
  local written = value[field]
  -- Each once.
  value[field] = nil
  if written then
    kept[kept_count + 1], kept[kept_count + 2] = field, written
    kept_count = kept_count + 2
    if indexed and byte(field) == 114 then
      new_queues[#new_queues + 1] = 0
      new_queues[#new_queues + 1] = field
    end
  elseif written == false then
    gone_count = gone_count + 1
    gone[gone_count] = field
    if indexed and byte(field) == 114 then old_queues[#old_queues + 1] = field end
  end
end
kept[2] = pack('>c1I7I7I7I4I4', '${VERSION}', last, pruned, epoch, pending, subtrees)
  .. (indexed and '1' or '0') .. (bucketed and '1' or '0')

local written = true
if entered then
  local result = pcall_redis('HSET', hash, unpack(kept, 1, math.min(kept_count, PART)))
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
  for i = 1, #calls, 2 do call('PUBLISH', hash .. ':' .. calls[i], calls[i + 1]) end
  if entered and not bucketed and call('HLEN', hash) > ${WALK_MOST} then rare().build_buckets(kept[2]) end
end
`;

/** Finding leases by their agent, in a namespace that has grown. */
export const BUCKETED = `
local function leave_bucket(lease, record)
  local field = bucket_of(read('>I7', record, 2), agent_of(record))
  local tickets = get(field)
  local at = find(tickets, lease, 1, true) - 7
  set(field, #tickets > 44 and sub(tickets, 1, at - 1) .. sub(tickets, at + 44))
end

-- Where a lease was entered or ended, or both: its record before and after.
local function rebucket(lease, before, after)
  if before then leave_bucket(lease, before) end
  if not after then return end
  local field = bucket_of(read('>I7', after, 2), agent_of(after))
  set(field, (get(field) or '') .. sub(after, 2, 8) .. lease)
end

local function build_buckets(head)
  local tickets_of, pairs_of = {}, {}
  walk(function(field, record)
    if byte(field) ~= 108 or not is_record(record) then return end
    local bucket = bucket_of(read('>I7', record, 2), agent_of(record))
    local tickets = tickets_of[bucket] or {}
    tickets_of[bucket] = tickets
    tickets[sub(record, 2, 8) .. field] = true
  end)
  for bucket, tickets in pairs(tickets_of) do
    local list = {}
    for ticket in pairs(tickets) do list[#list + 1] = ticket end
    pairs_of[#pairs_of + 1] = bucket
    pairs_of[#pairs_of + 1] = table.concat(list)
  end
  in_parts('HSET', hash, pairs_of)
  call('HSET', hash, 'n', sub(head, 1, -2) .. '1')
end
`;
