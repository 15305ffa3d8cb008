-- The fields of the hash, each read once; and finding leases by their agent, in a namespace that has grown.
local function get(field)
  local known = value[field]
  if known == nil then
    known = call('HGET', hash, field)
    value[field] = known
  end
  return known
end

-- Reads many fields in one go.
local function fetch(wanted)
  local missing = {}
  for i = 1, #wanted do
    if value[wanted[i]] == nil then missing[#missing + 1] = wanted[i] end
  end
  local values = hmget(missing)
  for i = 1, #missing do value[missing[i]] = values[i] end
end

local function bucket_of(record)
  return bucket_field(read('>I7', record, RECORD_TOKEN) % BUCKETS_COUNT, agent_of(record))
end

local function leave_bucket(lease, record)
  local field = bucket_of(record)
  local tickets = get(field)
  local at = find(tickets, lease, 1, true) - BUCKET_LEASE
  set(field, #tickets > BUCKET_WIDTH and sub(tickets, 1, at - 1) .. sub(tickets, at + BUCKET_WIDTH))
end

-- Where a lease was entered or ended, or both: its record before and after.
local function rebucket(lease, before, after)
  if before then leave_bucket(lease, before) end
  if not after then return end
  local field = bucket_of(after)
  set(field, (get(field) or '') .. sub(after, RECORD_TOKEN, RECORD_EXPIRES - 1) .. lease)
end

local function build_buckets(written_head)
  local tickets_of, pairs_of = {}, {}
  walk(function(field, record)
    if byte(field) ~= IS_LEASE or not is_record(record) then return end
    local bucket = bucket_of(record)
    local tickets = tickets_of[bucket] or {}
    tickets_of[bucket] = tickets
    tickets[sub(record, RECORD_TOKEN, RECORD_EXPIRES - 1) .. field] = true
  end)
  for bucket, tickets in pairs(tickets_of) do
    local list = {}
    for ticket in pairs(tickets) do list[#list + 1] = ticket end
    pairs_of[#pairs_of + 1] = bucket
    pairs_of[#pairs_of + 1] = table.concat(list)
  end
  in_parts('HSET', hash, pairs_of)
  call('HSET', hash, 'n', sub(written_head, 1, HEAD_BUCKETED - 1) .. '1')
end
