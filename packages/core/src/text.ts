/** Small questions about strings that several checks ask. */

/**
 * Bytes that a string takes in UTF-8. Counted, not encoded: every check asks this, and for the short strings it is
 * asked about, a TextEncoder costs twenty times as much.
 */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    // A surrogate pair is two units and four bytes: one more for each half.
    bytes += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2;
  }
  return bytes;
}

/** Whether the string holds a control character (Unicode category Cc: NUL, newline, DEL, C1 …). */
export function hasControlCharacter(text: string): boolean {
  return CONTROL_CHARACTER.test(text);
}

/** Made once: the build writes the literal as a call of `RegExp`, which in the function would compile it each time. */
const CONTROL_CHARACTER = /\p{Cc}/u;

/**
 * Text that another party wrote, for a message: quoted, escaped and shortened, so that it cannot pass for our words.
 * Characters that show nothing or turn the reading direction are written out.
 */
export function quoted(text: string, most = 120): string {
  const shown = text.length > most ? `${text.slice(0, most)}…` : text;
  return JSON.stringify(shown).replace(UNSEEN_CHARACTER, (unseen) => {
    return `\\u{${unseen.codePointAt(0)?.toString(16)}}`;
  });
}

/** An agent in a message: as it is where it can only be a name, else quoted. */
export function agentName(agentId: string): string {
  return /^[\w.@:-]{1,64}$/.test(agentId) ? agentId : quoted(agentId);
}

/** Format characters (such as U+202E, right-to-left override), line and paragraph separators. */
const UNSEEN_CHARACTER = /[\p{Cf}\p{Zl}\p{Zp}]/gu;

/** `1.2 s`, `450 ms`, `3 min`: a duration as a person reads it, rounded up. */
export function humanDuration(ms: number): string {
  if (ms <= 999) return `${Math.ceil(ms)} ms`;
  if (ms < 120_000) return `${Math.ceil(ms / 100) / 10} s`;
  return `${Math.ceil(ms / 60_000)} min`;
}
