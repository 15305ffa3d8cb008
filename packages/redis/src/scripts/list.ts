/** Scripts that read many leases of a namespace. */
import { BUCKETS, WALK_MOST } from "./layout.js";
import { CHECK_VERSION, PARTS, PRELUDE, RECORDS, WALKS } from "./prelude.js";

/** What leases are looked for: `all`, or those that overlap with a subtree. */
const MATCHING = `
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
`;

/**
 * A page of live leases, by token.
 *
 * KEYS  the hash, the index and the history of one namespace
 * ARGV  1 what is listed: `all`, `agent`, `resource` or `ids`; 2 after this token 7; 3 how many at most;
 *       4 state `P`, `A` or `-` for both; 5 the agent or the field of the queue, 5… the leases
 * Answers {time 6, the head, lease · record…}, fewer than asked for: there are no more; or {time 6, the head, 'S'} when
 * only a scan would tell, and the namespace is too big to do that in one step. The head is '' when nobody was here yet.
 */
export const LIST_SCRIPT = `${PRELUDE}${RECORDS}${PARTS}${WALKS}${MATCHING}
local kind, after, limit, state, asked = ARGV[1], (read('>I7', ARGV[2])), tonumber(ARGV[3]), ARGV[4], ARGV[5]
local head = call('HGET', hash, 'n')
${CHECK_VERSION}
local answer = { pack('>I6', now), head or '' }
if not head then return answer end
local subtrees = read('>I4', head, 27)
local indexed, bucketed = byte(head, 31) == 49, byte(head, 32) == 49

local found = {}
local function take(lease, record)
  if not is_record(record) or now >= expires_of(record) or (state ~= '-' and (byte(record) == 80) ~= (state == 'P')) then return end
  local token = read('>I7', record, 2)
  if token > after then found[#found + 1] = { token = token, text = lease .. record } end
end
local function by_token(one, other) return one.token < other.token end

-- Leases whose tokens are known, in any order, perhaps twice: only the first of them are read.
local function take_first(tickets)
  table.sort(tickets, by_token)
  local at = 1
  while at <= #tickets and #found < limit do
    local fields = {}
    while at <= #tickets and #fields < limit do
      local field = tickets[at].lease
      if field ~= fields[#fields] then fields[#fields + 1] = field end
      at = at + 1
    end
    local records = hmget(fields)
    for i = 1, #fields do take(fields[i], records[i]) end
  end
end

-- The tickets in some texts, one every so many bytes.
local function tickets_in(texts, count, width, token_at)
  local tickets = {}
  for i = 1, count do
    local text = texts[i] or ''
    for at = token_at, #text, width do
      local token = read('>I7', text, at)
      if token > after then tickets[#tickets + 1] = { token = token, lease = sub(text, at + 7, at + 43) } end
    end
  end
  return tickets
end

local base = kind == 'resource' and subtree_base(asked)
if kind == 'ids' then
  local leases = { unpack(ARGV, 5) }
  local records = hmget(leases)
  for i = 1, #leases do take(leases[i], records[i]) end
elseif kind == 'agent' and bucketed then
  local buckets = {}
  for i = 1, ${BUCKETS} do buckets[i] = bucket_of(i - 1, asked) end
  take_first(tickets_in(hmget(buckets), #buckets, 44, 1))
elseif kind == 'resource' and (indexed or not base) then
  local fields = base and queues_below(base) or { asked }
  if subtrees > 0 then
    local covering = covering_queues(asked)
    for i = 1, #covering do fields[#fields + 1] = covering[i] end
  end
  take_first(tickets_in(hmget(fields), #fields, 45, 2))
elseif call('HLEN', hash) > ${WALK_MOST} then
  answer[3] = 'S'
  return answer
else
  local seen = {}
  walk(function(field, record)
    if byte(field) ~= 108 or seen[field] or not is_record(record) then return end
    if kind == 'agent' and agent_of(record) ~= asked then return end
    if base and not overlaps_subtree(record, base) then return end
    seen[field] = true
    take(field, record)
  end)
end
table.sort(found, by_token)
for i = 1, math.min(#found, limit) do answer[i + 2] = found[i].text end
return answer
`;

/**
 * One step of a walk over everything that is kept, in small steps, so that nobody else has to wait for it. Finds live
 * leases for a listing, or, for a sweep, those past their time, and forgets ends that were remembered long enough.
 *
 * KEYS  the hash, the index and the history of one namespace
 * ARGV  1 cursor, 2 how many fields at about, 3 `live` or `dead`, 4 only in the subtree of this queue's resource ('' for all)
 * Answers {next cursor ('0' at the end), token 7 · lease…}
 */
export const SCAN_SCRIPT = `${PRELUDE}${RECORDS}${PARTS}${MATCHING}
local scanned = call('HSCAN', hash, ARGV[1], 'COUNT', ARGV[2])
local dead, base = ARGV[3] == 'dead', ARGV[4] ~= '' and subtree_base(ARGV[4])
local answer, fields = { scanned[1] }, scanned[2]
local forgotten = {}
for i = 1, #fields, 2 do
  local field, value = fields[i], fields[i + 1]
  if byte(field) == 108 then
    if not is_record(value) then
      if dead and now >= read('>I6', value, 2) then forgotten[#forgotten + 1] = field end
    elseif (now >= expires_of(value)) == dead and (not base or overlaps_subtree(value, base)) then
      answer[#answer + 1] = sub(value, 2, 8) .. field
    end
  end
end
in_parts('HDEL', hash, forgotten)
return answer
`;

/**
 * Gives up what a small namespace does not need: so that one subtree claim, or one busy hour, does not cost for ever.
 *
 * KEYS  the hash, the index and the history of one namespace
 */
export const TIDY_SCRIPT = `${PRELUDE}${PARTS}${WALKS}
local head = call('HGET', hash, 'n')
if not head then return 0 end
${CHECK_VERSION}
if call('HLEN', hash) > ${WALK_MOST / 2} then return 0 end
local indexed = byte(head, 31) == 49 and read('>I4', head, 27) > 0
if not indexed then call('DEL', index) end
if byte(head, 32) == 49 then
  local buckets = {}
  walk(function(field)
    if byte(field) == 97 then buckets[#buckets + 1] = field end
  end)
  in_parts('HDEL', hash, buckets)
end
local text = sub(head, 1, 30) .. (indexed and '1' or '0') .. '0'
if text ~= head then call('HSET', hash, 'n', text) end
return 1
`;
