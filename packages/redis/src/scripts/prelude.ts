/** The Lua that scripts begin with. */
import { BUCKETS, VERSION } from "./layout.js";

/**
 * The keys, the server's time (within a script it stands still) and the head. `read` and `pack` are for numbers: `>` is
 * big-endian, `I7` takes seven bytes.
 */
export const PRELUDE = `
local hash, index, history = KEYS[1], KEYS[2], KEYS[3]
local call, pcall_redis = redis.call, redis.pcall
local sub, byte, find = string.sub, string.byte, string.find
local read, pack = struct.unpack, struct.pack
local time = call('TIME')
local us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(us / 1000)
`;

/** Refuses a namespace of another layout. */
export const CHECK_VERSION = `
if head and sub(head, 1, 1) ~= '${VERSION}' then return redis.error_reply('LEASEVERSION ' .. sub(head, 1, 1)) end
`;

/** Reading records. A resource stands for its queue, a lease for its field. */
export const RECORDS = `
local function is_record(text) return text and byte(text) ~= 84 end
local function expires_of(record) return (read('>I6', record, 9)) end
local function agent_of(record) return sub(record, 65, 66 + read('>I2', record, 65)) end

-- The claims in a text from one place to another: modes and queues, in order.
local function claims_in(text, at, last)
  local modes, queues, count = {}, {}, 0
  while at <= last do
    local to = at + 2 + read('>I2', text, at + 1)
    count = count + 1
    modes[count] = sub(text, at, at)
    queues[count] = sub(text, at + 3, to)
    at = to + 1
  end
  return modes, queues, count
end
local function claims_of(record)
  local from = 67 + read('>I2', record, 65)
  return claims_in(record, from, from - 1 + read('>I3', record, 59))
end

-- Where a subtree begins: for 'rsrc/**' this is 'rsrc', for 'r**' 'r', for any other queue nil.
local function subtree_base(queue)
  if queue == 'r**' then return 'r' end
  if sub(queue, -3) == '/**' then return sub(queue, 1, -4) end
  return nil
end

-- The queues of the subtrees that a resource lies in, and not its own.
local function covering_queues(queue)
  local fields, slash = {}, find(queue, '/', 1, true)
  if queue ~= 'r**' then fields[1] = 'r**' end
  while slash do
    local covering = sub(queue, 1, slash) .. '**'
    if covering ~= queue then fields[#fields + 1] = covering end
    slash = find(queue, '/', slash + 1, true)
  end
  if not subtree_base(queue) then fields[#fields + 1] = queue .. '/**' end
  return fields
end

-- The queues of all that lies in a subtree, from the index.
local function queues_below(base)
  if base == 'r' then return call('ZRANGEBYLEX', index, '-', '+') end
  local fields = call('ZRANGEBYLEX', index, '[' .. base .. '/', '(' .. base .. '0')
  fields[#fields + 1] = base
  return fields
end

local function bucket_of(token, agent) return 'a' .. string.char(48 + token % ${BUCKETS}) .. agent end
`;

/** Lua takes only so many arguments, so long lists go in parts. */
export const PARTS = `
-- Even, so that pairs stay together.
local PART = 1000
local function in_parts(command, key, list)
  for from = 1, #list, PART do
    call(command, key, unpack(list, from, math.min(from + PART - 1, #list)))
  end
end
`;

/** Reading many fields, and all. */
export const WALKS = `
local function hmget(fields)
  local values = {}
  for from = 1, #fields, PART do
    local part = call('HMGET', hash, unpack(fields, from, math.min(from + PART - 1, #fields)))
    for i = 1, #part do values[from + i - 1] = part[i] end
  end
  return values
end

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
`;
