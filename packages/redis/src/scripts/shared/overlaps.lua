-- Whether one of the claims of a record overlaps with a subtree.
local function overlaps_subtree(record, base)
  local _, queues, count = claims_of(record)
  for i = 1, count do
    local queue = queues[i]
    local theirs = subtree_base(queue)
    if base == 'r' or theirs == 'r' or queue == base or sub(queue, 1, #base + 1) == base .. '/'
      or (theirs and (theirs == base or sub(base, 1, #theirs + 1) == theirs .. '/')) then
      return true
    end
  end
  return false
end
