/** Small questions about strings that several checks ask. */

const encoder = new TextEncoder();

/** Bytes that a string takes in UTF-8. */
export function utf8Length(text: string): number {
  return encoder.encode(text).length;
}

/** Whether the string holds a control character (Unicode category Cc: NUL, newline, DEL, C1 …). */
export function hasControlCharacter(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

/** `1.2 s`, `450 ms`, `3 min`: a duration as a person reads it, never rounded down to nothing. */
export function humanDuration(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)} ms`;
  if (ms < 120_000) return `${Math.ceil(ms / 100) / 10} s`;
  return `${Math.ceil(ms / 60_000)} min`;
}
