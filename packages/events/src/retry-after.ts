/** A receiver cannot put a route to sleep for longer than this. */
const MOST_MS = 3_600_000;

/** The pause that a `Retry-After` header asks for (RFC 9110, 10.2.3: seconds or a date), at most an hour. */
export function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MOST_MS);
}
