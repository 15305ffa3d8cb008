-- What operations see and make: the head, and the hash as far as it was read.
-- What the fields hold, as far as they were read (false: nothing), and which of them changed (some more than once).
local value, dirty, dirty_count
-- The head.
local last, pruned, epoch, pending, subtrees, indexed, bucketed
-- The history of this call, three parts an event; clients to call, and for which id; records of what was ended.
local events, event_count, calls, freed
-- Whether a new lease was entered, for which there may be no room.
local entered

-- With false for a value the field goes.
local function set(field, written)
  dirty_count = dirty_count + 1
  dirty[dirty_count] = field
  value[field] = written
end

local function next_number()
  last = last + 1
  if us > last and us < TOKENS_END then last = us end
  return last
end

local function record_event(kind, number, lease, record, act)
  local at = 3 * event_count
  event_count = event_count + 1
  events[at + 1] = pack('>c1I7I3I3', kind, number, #record, #act) .. lease
  events[at + 2], events[at + 3] = record, act
end

-- Gives a pending lease what it waited for: to a request that asks, or (state 'H') by a hand-off.
local function promote(lease, record, state)
  record = state .. sub(record, RECORD_TOKEN, RECORD_EXPIRES - 1) .. pack('>I6', now + read('>I4', record, RECORD_TTL))
    .. sub(record, RECORD_REQUESTED, RECORD_ACQUIRED - 1) .. pack('>I6', now) .. sub(record, RECORD_TTL)
  set(lease, record)
  set('w' .. sub(lease, 2), false)
  pending = pending - 1
  record_event('a', next_number(), lease, record, '')
  return { 'g', record }
end
