-- Whether a resource lies in a subtree that is claimed.
local function is_covered(queue)
  local slash, covering = 1, 'r**'
  while true do
    local claimed = value[covering]
    if claimed == nil then
      claimed = call('HGET', hash, covering)
      value[covering] = claimed
    end
    if claimed then return true end
    if not slash then return false end
    slash = find(queue, '/', slash + 1, true)
    covering = (slash and sub(queue, 1, slash) or queue .. '/') .. '**'
  end
end
