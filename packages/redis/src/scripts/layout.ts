/**
 * How a namespace lies in Redis, and the Lua that every script begins with. Three keys, all in one hash slot:
 *
 * - the hash `lease:{ns}`
 *   - `n` the head: version 1 · last number given 16 · pruned through 16 · epoch 16 · pending leases 8 ·
 *     subtree claims 8 · whether there is an index 1. The last number is the last fencing token and the number of
 *     the newest history entry: both come from one counter, which follows the server's clock in µs.
 *   - `l<id>` a live lease (or a dead one that no step has passed yet), see {@link RECORD}
 *   - `r<resource>` its line: for each lease that claims exactly this resource, by token: mode 1 · token 16 · id 36
 *   - `w<id>` of a pending lease: other clients than the first that wait for it, 12 each
 *   - `t<id>` a tombstone: forget at 14 · end 1 · agent length 3 · agent · who and why as JSON
 * - the sorted set `lease:{ns}:index`, all scores 0, so in order of its members. Nobody pays for it before the first
 *   subtree claim, or before the namespace is so big that a walk over all of it would keep others waiting
 *   - `o<token><id>` every lease
 *   - `a<agent>\0<token><id>` every lease of an agent
 *   - `r<resource>` every line
 * - the stream `lease:{ns}:history`: one entry for each call that changed something; its id is the number of its last
 *   event, its only field: when 14 · how many events 6 · the events, each type 1 · number 16 · length of the record 7 ·
 *   length of who and why 5 · lease id 36 · record · who and why as JSON
 *
 * None of them carries an expiry, so no `volatile-*` eviction policy can touch them. Numbers are decimal digits of a
 * fixed width: Lua's own conversion rounds to 14 digits, and `%.0f` does not. Times are ms of the server's clock.
 */

/** Where the parts of a record begin (as JavaScript counts), all but the last five of fixed width. */
export const RECORD = Object.freeze({
  /** `P` or `A`. */
  state: 0,
  token: 1,
  expires: 17,
  requested: 31,
  /** 0 while pending. */
  acquired: 45,
  ttl: 59,
  renewals: 69,
  /** Dashes: no limit. */
  maxRenewals: 85,
  /** Of a soft revoke: renewals are refused from here on; 0: there is none. */
  refusedFrom: 101,
  /** The client that entered the line, so that it can be called. */
  client: 115,
  agentLength: 127,
  claimsLength: 130,
  /** Of the JSON of holding, reason and metadata; empty when all are. */
  restLength: 136,
  /** Agent, claims (each mode 1 · length 3 · resource), rest, and to the end: who revokes softly and why. */
  agent: 142,
});

export const CLIENT_WIDTH = 12;
export const HEAD_VERSION = "1";
/** A namespace with more fields than this has an index; a walk over fewer takes about a millisecond. */
export const WALK_MOST = 2000;

/**
 * What every script begins with: the keys, the server's time (within a script it stands still) and the head.
 */
export const PRELUDE = `
local hash, index, history = KEYS[1], KEYS[2], KEYS[3]
local call, pcall_redis = redis.call, redis.pcall
local sub, byte, find, format = string.sub, string.byte, string.find, string.format
local time = call('TIME')
local us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(us / 1000)
local now14 = format('%014.0f', now)

local head = call('HGET', hash, 'n')
if head and sub(head, 1, 1) ~= '${HEAD_VERSION}' then
  return redis.error_reply('LEASEVERSION ' .. sub(head, 1, 1))
end

local function expires_of(record) return tonumber(sub(record, 18, 31)) end
local function agent_of(record) return sub(record, 143, 142 + tonumber(sub(record, 128, 130))) end
`;

/** What looks around needs: claims, lines, the index. */
export const LOOKUPS = `-- The claims of a record (or of a request, whose lengths stand elsewhere): modes and resources, in order.
local function claims_in(text, at, last)
  local modes, resources, count = {}, {}, 0
  while at <= last do
    local length = tonumber(sub(text, at + 1, at + 3))
    count = count + 1
    modes[count] = sub(text, at, at)
    resources[count] = sub(text, at + 4, at + 3 + length)
    at = at + 4 + length
  end
  return modes, resources, count
end
local function claims_of(record)
  local from = 143 + tonumber(sub(record, 128, 130))
  return claims_in(record, from, from - 1 + tonumber(sub(record, 131, 136)))
end

-- What a resource claims besides itself: for 'src/**' this is 'src', for '**' '', for any other nil.
local function subtree_base(resource)
  if resource == '**' then return '' end
  if sub(resource, -3) == '/**' then return sub(resource, 1, -4) end
  return nil
end

-- Lua takes only so many arguments, so long lists go in parts.
local PART = 1000
local function hmget(fields)
  local count = #fields
  if count == 0 then return {} end
  if count <= PART then return call('HMGET', hash, unpack(fields)) end
  local values = {}
  for from = 1, count, PART do
    local part = call('HMGET', hash, unpack(fields, from, math.min(from + PART - 1, count)))
    for i = 1, #part do values[from + i - 1] = part[i] end
  end
  return values
end

-- The fields of all lines whose resource overlaps with this one. Below a subtree only the index knows.
local function lines_over(resource, with_ancestors)
  local fields = { 'r' .. resource }
  local base = subtree_base(resource)
  if with_ancestors then
    if resource ~= '**' then fields[#fields + 1] = 'r**' end
    local slash = find(resource, '/', 1, true)
    while slash do
      local covering = sub(resource, 1, slash) .. '**'
      if covering ~= resource then fields[#fields + 1] = 'r' .. covering end
      slash = find(resource, '/', slash + 1, true)
    end
    if not base then fields[#fields + 1] = 'r' .. resource .. '/**' end
  end
  if base == '' then
    fields = call('ZRANGEBYLEX', index, '[r', '(s')
  elseif base then
    fields[#fields + 1] = 'r' .. base
    local below = call('ZRANGEBYLEX', index, '[r' .. base .. '/', '(r' .. base .. '0')
    for i = 1, #below do
      if below[i] ~= fields[1] then fields[#fields + 1] = below[i] end
    end
  end
  return fields
end

-- The members of the index that stand for a lease.
local function members_of(id, record)
  local ticket = sub(record, 2, 17) .. id
  return 'o' .. ticket, 'a' .. agent_of(record) .. '\\0' .. ticket
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

local function build_index()
  -- After a deletion Redis lets a script write, even when its memory is full.
  call('HDEL', hash, '')
  walk(function(field, value)
    local kind = byte(field)
    if kind == 114 then
      call('ZADD', index, 0, field)
    elseif kind == 108 then
      local by_token, by_agent = members_of(sub(field, 2), value)
      call('ZADD', index, 0, by_token, 0, by_agent)
    end
  end)
end
`;
