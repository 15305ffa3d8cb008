/** Scripts that read and prune the history. */
import { HEAD } from "./layout.js";
import { CHECK_VERSION, PRELUDE } from "./prelude.js";

/**
 * A stretch of the history, with where it begins and ends in the same step.
 *
 * KEYS  the hash, the index and the history of one namespace
 * ARGV  1 after this number, 2 how many entries at most (0: none)
 * Answers {the head, entry…}; '' as the first for an untouched namespace.
 */
export const HISTORY_SCRIPT = `${PRELUDE}
local head = call('HGET', hash, 'n')
if not head then return { '' } end
${CHECK_VERSION}
local answer = { head }
if tonumber(ARGV[2]) > 0 then
  local entries = call('XRANGE', history, ARGV[1] .. '-1', '+', 'COUNT', ARGV[2])
  for i = 1, #entries do answer[i + 1] = entries[i][2][2] end
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
local head = call('HGET', hash, 'n')
if not head then return { 0, '0' } end
${CHECK_VERSION}
local keep_from = now - tonumber(ARGV[1])
local entries = call('XRANGE', history, '-', '+', 'COUNT', ARGV[2])
local pruned, entry_count, through = 0, 0, nil
for i = 1, #entries do
  local at, events = read('>I6I2', entries[i][2][2])
  if at >= keep_from then break end
  pruned = pruned + events
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
call('HSET', hash, 'n', sub(head, 1, ${HEAD.pruned}) .. pack('>I7', tonumber(through)) .. sub(head, ${HEAD.epoch + 1}))
return { pruned, has_more and '1' or '0' }
`;
