/**
 * The holder's protocol as a state machine: what core's manager does, without its timers. Every moment at which it may
 * do something is a choice of the explorer.
 */
import type { AcquireResult, RenewResult } from "@lease/core/backend";
import type { ClientFault, ClientPlan } from "./scenario.js";

export interface ClientState {
  /** Which of its ids it uses; 0 before the first. */
  readonly life: number;
  readonly phase: "idle" | "asking" | "holding";
  readonly sent: number;
  /** Acquires of this life that were not answered (yet). */
  readonly unanswered: number;
  /** While holding: it believes in its lease until then. */
  readonly deadline: number;
  readonly token: number;
  /** Renewals that are counted, as the last answer said. */
  readonly renewals: number;
}

export const newClient: ClientState = Object.freeze({
  life: 0,
  phase: "idle",
  sent: 0,
  unanswered: 0,
  deadline: 0,
  token: 0,
  renewals: 0,
});

/** What a client sends. */
export type Ask =
  | { readonly kind: "acquire" }
  | { readonly kind: "renew"; readonly renewal: number; readonly ttl: number; readonly token: number }
  | { readonly kind: "release"; readonly token: number | undefined }
  | { readonly kind: "abandon" };

/** Something that a client may do now: what becomes of it, and what it sends. */
export interface Move {
  readonly label: string;
  readonly next: ClientState;
  readonly ask: Ask | null;
}

export function believes(client: ClientState, now: number): boolean {
  return client.phase === "holding" && now < client.deadline;
}

/** Everything that the protocol lets a client do. */
export function movesOf(client: ClientState, plan: ClientPlan, now: number): Move[] {
  const moves: Move[] = [];
  const maySend = client.sent < plan.sends;
  const send = (label: string, next: ClientState, ask: Ask) =>
    moves.push({ label, next: { ...next, sent: client.sent + 1 }, ask });

  if (client.phase === "idle" && client.life < plan.lives && maySend) {
    const born: ClientState = { ...newClient, life: client.life + 1, phase: "asking", unanswered: 1 };
    send("asks", born, { kind: "acquire" });
  }
  if (client.phase === "asking" && maySend) {
    send("asks again", { ...client, unanswered: client.unanswered + 1 }, { kind: "acquire" });
    send("gives up", stopped(client), goodbye(client, plan.fault));
  }
  if (client.phase === "holding" && now >= client.deadline) {
    moves.push({ label: "notices that its time is over", next: stopped(client), ask: null });
  }
  if (believes(client, now) && maySend) {
    for (const ttl of plan.renewTtls) {
      const { token } = client;
      for (const renewal of [client.renewals + 1, ...(plan.wrongCounts ?? [])]) {
        send(`renews for ${ttl}, the ${renewal}.`, client, { kind: "renew", renewal, ttl, token });
      }
    }
    send("is done", stopped(client), goodbye(client, plan.fault));
  }
  return moves;
}

/** What a client makes of an answer to what it asked in `life` at `sentAt`. */
export function heard(
  client: ClientState,
  plan: ClientPlan,
  question: { readonly life: number; readonly sentAt: number; readonly ask: Ask },
  answer: AcquireResult | RenewResult,
  now: number,
): ClientState {
  if (question.life !== client.life) return client;
  const next = question.ask.kind === "acquire" ? { ...client, unanswered: client.unanswered - 1 } : client;
  if (next.phase === "idle") return next;
  switch (answer.status) {
    case "granted":
    case "renewed": {
      // The time left counts from when *this* question was sent: the answer cannot be older than that.
      const left = plan.fault === "deadline-from-ttl" ? plan.ttl : answer.lease.expiresInMs;
      const from = plan.fault === "deadline-from-reply" ? now : question.sentAt;
      const deadline = Math.max(next.deadline, from + left);
      const { token, renewals } = answer.lease;
      // What is counted is what the store says, also downward.
      const confirmed = { ...next, token, deadline, renewals };
      return now < deadline ? { ...confirmed, phase: "holding" } : next;
    }
    case "out-of-order":
      return { ...next, renewals: answer.lease.renewals };
    case "refused":
    case "renewal-limit":
    case "pending":
      return next;
    default:
      return stopped(next);
  }
}

/** An acquire that is still under way would otherwise be granted to nobody. */
function goodbye(client: ClientState, fault: ClientFault | undefined): Ask {
  if (client.unanswered > 0 && fault !== "release-unanswered") return { kind: "abandon" };
  return { kind: "release", token: client.phase === "holding" ? client.token : undefined };
}

function stopped(client: ClientState): ClientState {
  return { ...client, phase: "idle", deadline: 0, token: 0, renewals: 0 };
}
