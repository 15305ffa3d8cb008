/** Looking around: who stands in whose way, and who has to be called. */
export const AROUND = `
local function get(field)
  local known = value[field]
  if known == nil then
    known = call('HGET', hash, field)
    value[field] = known
  end
  return known
end

-- Reads many fields in one go.
local function fetch(fields)
  local missing = {}
  for i = 1, #fields do
    if value[fields[i]] == nil then missing[#missing + 1] = fields[i] end
  end
  local values = hmget(missing)
  for i = 1, #missing do value[missing[i]] = values[i] end
end

-- The queues of all resources that overlap with this one. Those that this call made are not in the index yet.
local function queues_over(queue)
  local base = subtree_base(queue)
  local fields = base and queues_below(base) or { queue }
  if base then
    for i = 1, dirty_count do
      local field = dirty[i]
      if byte(field) == 114 and (base == 'r' or sub(field, 1, #base + 1) == base .. '/') then
        fields[#fields + 1] = field
      end
    end
  end
  if subtrees > 0 then
    local covering = covering_queues(queue)
    for i = 1, #covering do fields[#fields + 1] = covering[i] end
  end
  return fields
end

local function fetch_leases(tickets)
  local fields = {}
  for i = 1, #tickets do fields[i] = tickets[i].lease end
  fetch(fields)
end

-- All but 'lease' whose claims conflict with these, by token; with 'earlier_than' only those with a smaller one.
local function rivals(lease, modes, queues, count, earlier_than)
  local found, seen = {}, {}
  for i = 1, count do
    local exclusive = modes[i] == 'x'
    local fields = queues_over(queues[i])
    if #fields > 1 then fetch(fields) end
    for j = 1, #fields do
      local queue = get(fields[j])
      for at = 1, queue and #queue or 0, 45 do
        if exclusive or byte(queue, at) == 120 then
          local token = read('>I7', queue, at + 1)
          if earlier_than and token >= earlier_than then break end
          local other = sub(queue, at + 8, at + 44)
          if other ~= lease and not seen[other] then
            seen[other] = true
            found[#found + 1] = { token = token, lease = other }
          end
        end
      end
    end
  end
  if #found > 1 then
    table.sort(found, function(one, other) return one.token < other.token end)
    fetch_leases(found)
  end
  return found
end

-- Whether an earlier live lease stands in the way of a pending one, and when time alone could change that.
local function blocked(lease, record)
  local modes, queues, count = claims_of(record)
  local found = rivals(lease, modes, queues, count, (read('>I7', record, 2)))
  local is_blocked, soonest = false, expires_of(record)
  for i = 1, #found do
    local expires = expires_of(get(found[i].lease))
    if now < expires then
      is_blocked = true
      if expires < soonest then soonest = expires end
    end
  end
  return is_blocked, soonest
end

-- Tells all clients that listen for a pending lease.
local function call_out(lease, record)
  local id = sub(lease, 2)
  local others = get('w' .. id) or ''
  calls[#calls + 1] = sub(record, 51, 58)
  calls[#calls + 1] = id
  for at = 1, #others, 8 do
    calls[#calls + 1] = sub(others, at, at + 7)
    calls[#calls + 1] = id
  end
end

-- Calls who can be granted now that did not stand at the head before. In a queue nobody behind the first live exclusive
-- claim can be.
local function wake()
  local seen, candidates = {}, {}
  for i = 1, #freed do
    local _, queues, count = claims_of(freed[i])
    for j = 1, count do
      local fields = queues_over(queues[j])
      if #fields > 1 then fetch(fields) end
      for k = 1, #fields do
        local queue = get(fields[k]) or ''
        for at = 1, #queue, 45 do
          local lease = sub(queue, at + 8, at + 44)
          local record = get(lease)
          if now < expires_of(record) then
            if byte(record) == 80 and not seen[lease] then
              seen[lease] = true
              candidates[#candidates + 1] = lease
            end
            if byte(queue, at) == 120 then break end
          end
        end
      end
    end
  end
  for i = 1, #candidates do
    local lease = candidates[i]
    local record = get(lease)
    if not blocked(lease, record) then call_out(lease, record) end
  end
end
`;
