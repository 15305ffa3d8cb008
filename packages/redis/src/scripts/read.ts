/** The scripts behind list, changes and sweep. */
import { HEAD_VERSION, PRELUDE } from "./layout.js";

/**
 * A page of live leases, by token.
 *
 * KEYS  the hash, the index and the history of one namespace
 * ARGV  1 what is listed: `all`, `agent`, `resource` or `ids`; 2 after this token 16; 3 how many at most;
 *       4 state `P`, `A` or `-` for both; 5 the agent or the resource, 5… the ids
 * Answers {now, id · record…}. Fewer than asked for: there are no more.
 * Writes only for the first question about a subtree: it begins the index of resources.
 */
export const LIST_SCRIPT = `${PRELUDE}
local kind, after, limit, state = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local answer, found = { now14 }, 0
if not head then return answer end

-- Takes the live ones of these tickets (token and id) into the answer; true once it is full.
local function take(tickets)
  local fields = {}
  for i = 1, #tickets do fields[i] = 'l' .. sub(tickets[i], 17) end
  local records = #fields > 0 and hmget(fields) or {}
  for i = 1, #tickets do
    local record = records[i]
    if record and now < expires_of(record) and (state == '-' or sub(record, 1, 1) == state) then
      found = found + 1
      answer[found + 1] = sub(tickets[i], 17) .. record
      if found == limit then return true end
    end
  end
  return false
end

if kind == 'all' or kind == 'agent' then
  local prefix = kind == 'all' and 'o' or 'a' .. ARGV[5] .. '\\0'
  local from = '(' .. prefix .. after .. 'g'
  while true do
    local members = call('ZRANGEBYLEX', index, from, '(' .. prefix .. 'g', 'LIMIT', 0, limit)
    local tickets = {}
    for i = 1, #members do tickets[i] = sub(members[i], #prefix + 1) end
    if take(tickets) or #members < limit then return answer end
    from = '(' .. members[#members]
  end
end

local tickets, seen = {}, {}
local function add(ticket)
  if not seen[ticket] and sub(ticket, 1, 16) > after then
    seen[ticket] = true
    tickets[#tickets + 1] = ticket
  end
end
if kind == 'ids' then
  for from = 5, #ARGV, PART do
    local fields = {}
    for i = from, math.min(from + PART - 1, #ARGV) do fields[#fields + 1] = 'l' .. ARGV[i] end
    local records = hmget(fields)
    for i = 1, #fields do
      if records[i] then add(sub(records[i], 2, 17) .. ARGV[from + i - 1]) end
    end
  end
else
  local resource = ARGV[5]
  if subtree_base(resource) and sub(head, 66, 66) == '0' then
    index_resources()
    call('HSET', hash, 'n', sub(head, 1, 65) .. '1')
  end
  local lines = hmget(lines_over(resource, true))
  for i = 1, #lines do
    local line = lines[i] or ''
    for at = 1, #line, 53 do add(sub(line, at + 1, at + 52)) end
  end
end
table.sort(tickets)
take(tickets)
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
export const SCAN_SCRIPT = `${PRELUDE}
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
