-- Calls 'visit' with each field of the hash and its value; with one that comes twice, twice.
local function walk(visit)
  local cursor = '0'
  repeat
    local scanned = call('HSCAN', hash, cursor, 'COUNT', PART)
    cursor = scanned[1]
    local fields = scanned[2]
    for i = 1, #fields, 2 do visit(fields[i], fields[i + 1]) end
  until cursor == '0'
end
