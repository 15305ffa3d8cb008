-- The queues of the subtrees that a resource lies in, and not its own.
local function covering_queues(queue)
  local fields, slash = {}, string.find(queue, '/', 1, true)
  if queue ~= 'r**' then fields[1] = 'r**' end
  while slash do
    local covering = sub(queue, 1, slash) .. '**'
    if covering ~= queue then fields[#fields + 1] = covering end
    slash = string.find(queue, '/', slash + 1, true)
  end
  if not subtree_base(queue) then fields[#fields + 1] = queue .. '/**' end
  return fields
end

-- The queues of all that lies in a subtree, from the index: '0' is the character after '/'.
local function queues_below(base)
  if base == 'r' then return call('ZRANGEBYLEX', index, '-', '+') end
  local fields = call('ZRANGEBYLEX', index, '[' .. base .. '/', '(' .. base .. '0')
  fields[#fields + 1] = base
  return fields
end

local function bucket_field(bucket, agent) return 'a' .. string.char(IS_NO + bucket) .. agent end
