/** The scripts behind list, changes and sweep. */
import { HEAD_VERSION, LOOKUPS, PRELUDE } from "./layout.js";

/**
 * A page of live leases, by token.
 *
 * KEYS  the hash, the index and the history of one namespace
 * ARGV  1 what is listed: `all`, `agent`, `resource` or `ids`; 2 after this token 16; 3 how many at most;
 *       4 state `P`, `A` or `-` for both; 5 the agent or the resource, 5… the ids
 * Answers {now 14 · epoch 16 · last number 16, id · record…}, of an untouched namespace {now 14}. Fewer records than asked
 * for: there are no more.
 */
export const LIST_SCRIPT = `${PRELUDE}${LOOKUPS}
local kind, after, limit, state = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local answer, found = { now14 }, 0
if not head then return answer end
answer[1] = now14 .. sub(head, 34, 49) .. sub(head, 2, 17)
local indexed = sub(head, 66, 66) == '1'

-- Takes a lease into the answer if it is live; true once that is full.
local function take(id, record)
  if not record or now >= expires_of(record) or (state ~= '-' and sub(record, 1, 1) ~= state) then return false end
  found = found + 1
  answer[found + 1] = id .. record
  return found == limit
end

if indexed and (kind == 'all' or kind == 'agent') then
  local prefix = kind == 'all' and 'o' or 'a' .. ARGV[5] .. '\\0'
  local from = '(' .. prefix .. after .. 'g'
  while true do
    local members = call('ZRANGEBYLEX', index, from, '(' .. prefix .. 'g', 'LIMIT', 0, limit)
    local ids, fields = {}, {}
    for i = 1, #members do
      ids[i] = sub(members[i], -36)
      fields[i] = 'l' .. ids[i]
    end
    local records = hmget(fields)
    for i = 1, #ids do
      if take(ids[i], records[i]) then return answer end
    end
    if #members < limit then return answer end
    from = '(' .. members[#members]
  end
end

-- Tickets (token and id) in any order, with their records.
local tickets, record_of = {}, {}
local function add(id, record)
  if not record then return end
  local ticket = sub(record, 2, 17) .. id
  if sub(ticket, 1, 16) > after and not record_of[ticket] then
    record_of[ticket] = record
    tickets[#tickets + 1] = ticket
  end
end

local function add_ids(ids)
  local fields = {}
  for i = 1, #ids do fields[i] = 'l' .. ids[i] end
  local records = hmget(fields)
  for i = 1, #ids do add(ids[i], records[i]) end
end

-- Whether one of the claims of a record is the subtree's base or lies below it, or covers it.
local function overlaps_subtree(record, subtree, base)
  local _, resources, count = claims_of(record)
  for i = 1, count do
    local resource = resources[i]
    local theirs = subtree_base(resource)
    if base == '' or theirs == '' or resource == base or sub(resource, 1, #base + 1) == base .. '/'
      or (theirs and (theirs == base or sub(base, 1, #theirs + 1) == theirs .. '/')) then
      return true
    end
  end
  return false
end

local asked = ARGV[5]
local base = kind == 'resource' and subtree_base(asked)
if kind == 'ids' then
  local ids = {}
  for i = 5, #ARGV do ids[i - 4] = ARGV[i] end
  add_ids(ids)
elseif kind == 'resource' and (indexed or not base) then
  local ids = {}
  local lines = hmget(lines_over(asked, true))
  for i = 1, #lines do
    local line = lines[i] or ''
    for at = 1, #line, 53 do ids[#ids + 1] = sub(line, at + 17, at + 52) end
  end
  add_ids(ids)
else
  walk(function(field, record)
    if byte(field) ~= 108 then return end
    if kind == 'agent' and agent_of(record) ~= asked then return end
    if base and not overlaps_subtree(record, asked, base) then return end
    add(sub(field, 2), record)
  end)
end
table.sort(tickets)
for i = 1, #tickets do
  if take(sub(tickets[i], 17), record_of[tickets[i]]) then break end
end
return answer
`;

/**
 * A stretch of the history, with where it begins and ends in the same step.
 *
 * KEYS  the hash, the index and the history of one namespace
 * ARGV  1 after this number, 2 how many entries at most (0: none)
 * Answers {epoch 16 · pruned through 16 · last number 16, entry…}; '' as the first for an untouched namespace.
 */
export const HISTORY_SCRIPT = `${PRELUDE}
if not head then return { '' } end
local answer = { sub(head, 34, 49) .. sub(head, 18, 33) .. sub(head, 2, 17) }
if tonumber(ARGV[2]) > 0 then
  local entries = call('XRANGE', history, ARGV[1] .. '-1', '+', 'COUNT', ARGV[2])
  for i = 1, #entries do answer[i + 1] = entries[i][2][2] end
end
return answer
`;

/**
 * One step of a walk over everything that is kept: finds leases past their time, and forgets ends that were
 * remembered long enough. A walk of small steps, so that nobody else has to wait for it.
 *
 * KEYS  the hash, the index and the history of one namespace
 * ARGV  1 cursor, 2 how many fields at about
 * Answers {next cursor ('0' at the end), token · id…}
 */
export const SCAN_SCRIPT = `${PRELUDE}${LOOKUPS}
local scanned = call('HSCAN', hash, ARGV[1], 'COUNT', ARGV[2])
local answer, fields = { scanned[1] }, scanned[2]
local forgotten = {}
for i = 1, #fields, 2 do
  local kind, value = byte(fields[i]), fields[i + 1]
  if kind == 108 then
    if now >= expires_of(value) then answer[#answer + 1] = sub(value, 2, 17) .. sub(fields[i], 2) end
  elseif kind == 116 and now >= tonumber(sub(value, 1, 14)) then
    forgotten[#forgotten + 1] = fields[i]
  end
end
for from = 1, #forgotten, PART do
  call('HDEL', hash, unpack(forgotten, from, math.min(from + PART - 1, #forgotten)))
end
return answer
`;

/**
 * Prunes history from its oldest end.
 *
 * KEYS  the hash, the index and the history of one namespace
 * ARGV  1 ms to keep, 2 how many entries to look at, at most
 * Answers {how many events were pruned, '1' when there may be more}
 */
export const PRUNE_SCRIPT = `${PRELUDE}
if not head then return { 0, '0' } end
local keep_from = now - tonumber(ARGV[1])
local entries = call('XRANGE', history, '-', '+', 'COUNT', ARGV[2])
local pruned, entry_count, through = 0, 0, nil
for i = 1, #entries do
  local text = entries[i][2][2]
  if tonumber(sub(text, 1, 14)) >= keep_from then break end
  pruned = pruned + tonumber(sub(text, 15, 20))
  entry_count = i
  through = string.match(entries[i][1], '%d+')
end
if not through then return { 0, '0' } end
local all = entry_count == #entries
local has_more = all and #entries == tonumber(ARGV[2])
if all and not has_more then
  call('DEL', history)
else
  call('XTRIM', history, 'MINID', through .. '-1')
end
call('HSET', hash, 'n', '${HEAD_VERSION}' .. sub(head, 2, 17) .. format('%016.0f', tonumber(through)) .. sub(head, 34))
return { pruned, has_more and '1' or '0' }
`;
