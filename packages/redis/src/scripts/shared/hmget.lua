-- Reads many fields.
local function hmget(fields)
  local values = {}
  for from = 1, #fields, PART do
    local part = call('HMGET', hash, unpack(fields, from, math.min(from + PART - 1, #fields)))
    for i = 1, #part do values[from + i - 1] = part[i] end
  end
  return values
end
