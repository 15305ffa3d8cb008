/** The script behind acquire, renew, release, turn and the ending of what is past its time. */
import { CHECK_VERSION, PARTS, PRELUDE, RECORDS, WALKS } from "./prelude.js";
import { AROUND } from "./step/around.js";
import { DECIDE, LOAD } from "./step/hot.js";
import { ACQUIRING, ENDING, RENEWING } from "./step/rare.js";
import { BUCKETED, FLUSH, STORE } from "./step/store.js";

/**
 * Carries out up to a batch of operations, one after the other.
 *
 * KEYS  the hash, the index and the history of one namespace (see `layout.ts`)
 * ARGV  1 the calling client 8 · ms that an end is remembered 6 · whether renewals are recorded ('1') 1 · the operations,
 *       each its length in 3 bytes, then (a lease is `l` and its id)
 *   `A` wait 1 (`2`: and take a hand-off) · lease · ttl of waiting 4 · a record from its ttl on                  acquire
 *   `N` lease · token 7 · ttl 4 · renewal 7 · agent                                                             renew
 *   `D` lease · token 7 · agent             release      `B` lease · agent                                       abandon
 *   `V` lease · grace 6 · who and why       revoke       `C` lease         check whether its turn has come, and listen
 *   `X` lease                               end it if it is past its time
 *   (0 stands for what was left out)
 * Answers the server's time 6, then one for each operation:
 *   `A`: `G` token 7 granted anew · {`g`, record} granted from the queue · {`H`, record} handed over, and asked for
 *        the first time · {`R`, record} repeated ·
 *        {`F` blockers 4 · soonest expiry 6, record or '', lease · record of the first blockers…} refused ·
 *        `E` end · who and why: ended · `O` another agent's · `C` other claims · `T` no tokens left · `M` no room
 *   `N`: {`N`, record} · `n` not found · `o` not owner · `p` pending · `e` expired · `v` who and why: revoked ·
 *        `l` most renewals 7: limit
 *   `D` `B` `V`: `r`eleased, `c`ancelled, re`v`oked, revokin`g`, not `o`wner, `n`ot found
 *   `L`: ms until it is worth looking again 6; '' when the turn may have come
 *   `X`: {record, end}, or '' when it is not there or not past its time
 * Publishes the id of every waiter that can now be granted, on the channel of its client; of one that was granted on the
 * way (a hand-off) its id, its token and the server's time in ms, with spaces between.
 *
 * The operations see what those before them did, and nothing is written before all are decided: then everything is, in
 * one command for each kind of write. When memory is full for a new lease that first command says so, nothing was
 * written, and the operations are decided once more, with no room for new leases.
 */
export const STEP_SCRIPT = `${PRELUDE}
local text = ARGV[1]
local client, end_memory, record_renewals = sub(text, 1, 8), read('>I6', text, 9), byte(text, 15) == 49
local has_room = true
${PARTS}${LOAD}${CHECK_VERSION}${STORE}
-- What most calls do not need is only made when it is: making all of it costs as much as several operations.
local made
local function rare()
  if made then return made end
${RECORDS}${WALKS}${AROUND}${BUCKETED}${ENDING}${ACQUIRING}${RENEWING}
  made = {
    wake = wake, rebucket = rebucket, build_buckets = build_buckets,
    A = acquire, N = renew, D = release, B = release, V = release, C = check, X = end_if_dead,
  }
  return made
end

local answers
repeat
  local again = not has_room
  value, dirty, dirty_count, events, event_count, calls, freed, entered = {}, {}, 0, {}, 0, {}, {}, false
  for i = 1, named do value[fields[i]] = found[i] end
  if head then
    last, pruned, epoch, pending, subtrees = read('>I7I7I7I4I4', head, 2)
    indexed, bucketed = byte(head, 31) == 49, byte(head, 32) == 49
  else
    last, pruned, epoch, pending, subtrees, indexed, bucketed = 0, 0, us, 0, 0, false, false
  end
  local was_indexed = indexed
  answers = { pack('>I6', now) }
  local answered = 1
${DECIDE}
  if dirty_count > 0 or indexed ~= was_indexed then
${FLUSH}
  end
until has_room or again
return answers
`;
