-- What stands in whose way.
-- The queues of all resources that overlap with this one. Those that this call made are not in the index yet.
local function queues_over(queue)
  local base = subtree_base(queue)
  local fields = base and queues_below(base) or { queue }
  if base then
    for i = 1, dirty_count do
      local field = dirty[i]
      if byte(field) == IS_QUEUE and (base == 'r' or sub(field, 1, #base + 1) == base .. '/') then
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
      for at = 1, queue and #queue or 0, TICKET_WIDTH do
        if exclusive or byte(queue, at) == IS_EXCLUSIVE then
          local token = read('>I7', queue, at + TICKET_TOKEN)
          if earlier_than and token >= earlier_than then break end
          local other = sub(queue, at + TICKET_LEASE, at + TICKET_WIDTH - 1)
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
  local found = rivals(lease, modes, queues, count, (read('>I7', record, RECORD_TOKEN)))
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
