/** What can happen to a run besides the ordinary. `--only` names them; each seed draws which of them it has. */
export const KINDS = [
  /** Clocks run at different rates, within what the holder's margin allows for. */
  "drift",
  /** A machine sleeps. */
  "sleep",
  /** A process is stopped and goes on (SIGSTOP, SIGCONT). */
  "stop",
  /** The store is stopped and goes on. */
  "store-stop",
  "wall-forward",
  "wall-back",
  /** A request is refused on its way, gets lost, or its answer does. */
  "lost",
  /** A request or an answer takes up to longer than a lease lives. */
  "late",
  /** A request arrives twice. */
  "double",
  /** A sign that it is a waiter's turn gets lost, comes late or for nothing. */
  "hint",
  /** A process dies and another one takes its place, with the same agent id. */
  "crash",
  /** The manager is drained or closed, and another one takes its place. */
  "close",
  "soft-revoke",
  "hard-revoke",
  /** Callers abort their requests, at any moment up to that of the grant. */
  "abort",
  /** `lease.acquire`, down to three levels. */
  "nested",
  /** Renewals by hand, also for longer than the lease's own TTL. */
  "renew",
  /** `maxRenewals` and `maxHoldMs`. */
  "limits",
  /** The store grants to a waiter in the step that frees its claims. */
  "hand-off",
  /** Managers follow the feed, and it breaks. */
  "feed",
  "sweep",
] as const;

export type Kind = (typeof KINDS)[number];
