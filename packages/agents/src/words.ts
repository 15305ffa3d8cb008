/**
 * The words that a person or a model reads: what happened, and one next step. They are core's words, with paths and
 * agents as people know them. What others wrote stands in quotes and is shortened, and no word names a way to end a
 * lease of another agent: a model that reads of one uses it.
 */
import { type Blocker, type Claim, isLeaseError, type Refusal, unavailable } from "@lease/core";
import { shortAgent } from "./identity.js";

/** Who reads it, and where. */
export interface Reader {
  /** The agent that asked. */
  readonly agentId: string;
  /** `<space>/<tree>` of the reader's own tree, see `fileSpace()`: paths in it are shown as they are on disk. */
  readonly prefix: string;
  /** `command`: a shell, where `--wait` queues. `edit`: the tool call of a model, which cannot wait. */
  readonly surface: "command" | "edit";
}

/** How to queue, or what to do in place of it. */
const TO_QUEUE = Object.freeze({
  command: "add --wait 30s to queue",
  edit: "work on something else first",
});

/**
 * Why it was not granted, and what to do next.
 *
 * @param waitedMs - how long the request was queued, in milliseconds
 */
export function refusalWords(
  claims: readonly Claim[],
  refusal: Refusal,
  reader: Reader,
  waitedMs = 0,
): string {
  const show = <T extends { readonly resource: string }>(item: T): T => ({
    ...item,
    resource: shownResource(item.resource, reader.prefix),
  });
  // The reader's own name stays whole: by it core says "you".
  const blockers = refusal.blockers.map((blocker): Blocker => {
    const isOwn = blocker.agentId === reader.agentId;
    return { ...show(blocker), agentId: isOwn ? blocker.agentId : shortAgent(blocker.agentId) };
  });
  const wording = { agentId: reader.agentId, waitedMs, toQueue: TO_QUEUE[reader.surface] };
  return unavailable(claims.map(show), { ...refusal, blockers }, wording).message;
}

/** What the line of a waiting command says: the place, the first in the way, the time. */
export function waitingWords(refusal: Refusal, reader: Reader, waitedMs: number): string {
  const place = `waiting as number ${refusal.position}, for ${shortDuration(waitedMs)}`;
  const first = refusal.blockers[0];
  if (first === undefined) return place;
  const does = first.state === "active" ? "holds" : "is queued for";
  return `${place}: ${quote(shortAgent(first.agentId), 40)} ${does} ${quote(shownResource(first.resource, reader.prefix), 60)}`;
}

/** A lease that was lost while a command ran under it. */
export function lossWords(loss: unknown): string {
  const message = isLeaseError(loss) ? loss.message : String(loss);
  return `${message} The command was stopped. Next: look at what it wrote, then run it again.`;
}

/**
 * More resources than one lease takes, and what to claim in their place.
 *
 * @param folders - the smallest folders that cover all files and are few enough
 */
export function tooManyWords(count: number, most: number, folders: readonly string[]): string {
  const shown = folders.map((folder) => `'${folder}'`).join(" ");
  return `${count} resources are more than the ${most} that one lease takes. Next: claim folders: ${shown}`;
}

/** Folders inside of a claimed one whose files the lease does not cover. */
export function notCoveredWords(folders: readonly string[]): string {
  const shown = folders.slice(0, 3).map((folder) => quote(folder, 120));
  const more = folders.length > 3 ? ` and ${folders.length - 3} more` : "";
  return `Not covered: ${shown.join(", ")}${more}, repositories of their own. Next: name them too, if they matter.`;
}

/** A resource as the path that its tree shows, relative to the root; one of another tree as it is. */
export function shownResource(resource: string, prefix: string): string {
  return prefix !== "" && resource.startsWith(`${prefix}/`) ? resource.slice(prefix.length + 1) : resource;
}

/** `54s`, `4m12s`, `2h05m`: a duration for a column, rounded down. */
export function shortDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m${String(seconds % 60).padStart(2, "0")}s`;
  return `${Math.floor(minutes / 60)}h${String(minutes % 60).padStart(2, "0")}m`;
}

/** In quotes where it could be taken for words of ours or for control of the terminal. */
function quote(text: string, most: number): string {
  const shown = text.length > most ? `${text.slice(0, most)}…` : text;
  if (/^[\w.@:/*…-]+$/.test(shown)) return shown;
  return JSON.stringify(shown).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (unseen) => {
    return `\\u{${unseen.codePointAt(0)?.toString(16)}}`;
  });
}
