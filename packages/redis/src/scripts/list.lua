-- A page of live leases, by token.
--
-- KEYS  the hash, the index and the history of one namespace
-- ARGV  1 the number of the call; 2 what is listed: 'all', 'agent', 'resource' or 'ids'; 3 after this token 7;
--       4 how many at most; 5 state 'P', 'A' or '-' for both; 6 the agent or the field of the queue, 6... the leases
-- Answers {stamp, the head, lease . record...}, fewer than asked for: there are no more; or {stamp, the head, 'S'} when
-- only a scan would tell, and the namespace is too big to do that in one step. The head is '' before the first lease.

-- include shared/clock
local head = call('HGET', hash, 'n')
-- include shared/version
local answer = { stamp, head or '' }
if not head then return answer end
-- include shared/records
-- include shared/queues
-- include shared/parts
-- include shared/hmget
-- include shared/walk
-- include shared/overlaps
local kind, after, limit, state, asked = ARGV[2], (read('>I7', ARGV[3])), tonumber(ARGV[4]), ARGV[5], ARGV[6]
local subtrees = read('>I4', head, HEAD_SUBTREES)
local indexed, bucketed = byte(head, HEAD_INDEXED) == IS_YES, byte(head, HEAD_BUCKETED) == IS_YES

local found = {}
local function take(lease, record)
  if not is_record(record) or now >= expires_of(record) then return end
  if state ~= '-' and (byte(record) == IS_PENDING) ~= (state == 'P') then return end
  local token = read('>I7', record, RECORD_TOKEN)
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

-- The tickets in some texts, one every so many bytes, each with a token there and a lease behind it.
local function tickets_in(texts, count, width, token_at)
  local tickets, format = {}, '>I7c' .. LEASE_WIDTH
  for i = 1, count do
    local text = texts[i] or ''
    for at = 1, #text, width do
      local token, lease = read(format, text, at + token_at)
      if token > after then tickets[#tickets + 1] = { token = token, lease = lease } end
    end
  end
  return tickets
end

local base = kind == 'resource' and subtree_base(asked)
if kind == 'ids' then
  local leases = { unpack(ARGV, 6) }
  local records = hmget(leases)
  for i = 1, #leases do take(leases[i], records[i]) end
elseif kind == 'agent' and bucketed then
  local buckets = {}
  for i = 1, BUCKETS_COUNT do buckets[i] = bucket_field(i - 1, asked) end
  take_first(tickets_in(hmget(buckets), #buckets, BUCKET_WIDTH, BUCKET_TOKEN))
elseif kind == 'resource' and (indexed or not base) then
  local fields = base and queues_below(base) or { asked }
  if subtrees > 0 then
    local covering = covering_queues(asked)
    for i = 1, #covering do fields[#fields + 1] = covering[i] end
  end
  take_first(tickets_in(hmget(fields), #fields, TICKET_WIDTH, TICKET_TOKEN))
elseif call('HLEN', hash) > WALK_MOST then
  answer[3] = 'S'
  return answer
else
  local seen = {}
  walk(function(field, record)
    if byte(field) ~= IS_LEASE or seen[field] or not is_record(record) then return end
    if kind == 'agent' and agent_of(record) ~= asked then return end
    if base and not overlaps_subtree(record, base) then return end
    seen[field] = true
    take(field, record)
  end)
end
table.sort(found, by_token)
for i = 1, math.min(#found, limit) do answer[i + 2] = found[i].text end
return answer
