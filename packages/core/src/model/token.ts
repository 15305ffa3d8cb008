import { LeaseError } from "../errors.js";

/** Tokens stay below this, so that every JavaScript number, JSON parser and SQL integer holds them exactly. */
const TOKEN_LIMIT = 2 ** 53;

/**
 * The next fencing token: one more than the last, and never behind the wall clock in microseconds. The clock is what
 * keeps tokens growing when the store loses its data and `last` with it.
 *
 * @param last - the last token minted, 0 if none is known
 * @param wallNowMs - the store's wall clock, ms since the Unix epoch
 * @throws `BACKEND_INCOMPATIBLE` when the clock is so far in the future (year 2255) that tokens would end
 */
export function mintToken(last: number, wallNowMs: number): number {
  const token = Math.max(last + 1, Math.floor(wallNowMs * 1000));
  if (token < TOKEN_LIMIT) return token;
  throw new LeaseError(
    "BACKEND_INCOMPATIBLE",
    `The store's clock says ${wallNowMs} ms since 1970, too far in the future for fencing tokens: set the clock right.`,
  );
}
