-- Lua takes only so many arguments, so long lists go in parts. Even, so that pairs stay together.
local PART = 1000
local function in_parts(command, key, list)
  for from = 1, #list, PART do
    call(command, key, unpack(list, from, math.min(from + PART - 1, #list)))
  end
end
