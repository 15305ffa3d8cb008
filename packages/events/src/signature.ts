/** Signatures by the Standard Webhooks convention (standardwebhooks.com), made by its own library. */
import { Webhook } from "standardwebhooks";
import { invalid } from "./invalid.js";

/** The least that the convention asks for: 192 bits. */
const MIN_SECRET_BYTES = 24;

/** @throws `INVALID_ARGUMENT`, which never shows a secret */
export function signersOf(secrets: readonly string[]): readonly Webhook[] {
  if (secrets.length === 0) throw invalid("secrets", "must hold at least one secret");
  return secrets.map((secret) => {
    const base64 = secret.replace(/^whsec_/, "");
    const isBase64 = /^[A-Za-z0-9+/]+={0,2}$/.test(base64) && base64.length % 4 === 0;
    if (!isBase64 || Buffer.from(base64, "base64").length < MIN_SECRET_BYTES)
      throw invalid("secrets", `must be base64 of at least ${MIN_SECRET_BYTES} bytes each, after "whsec_"`);
    return new Webhook(secret);
  });
}

/** The three headers. Every secret signs, and a receiver takes any signature that it can verify. */
export function signedHeaders(
  cursor: string,
  body: string,
  signers: readonly Webhook[],
): Record<string, string> {
  const now = new Date();
  const id = messageId(cursor);
  return {
    "webhook-id": id,
    "webhook-timestamp": `${Math.floor(now.getTime() / 1000)}`,
    "webhook-signature": signers.map((signer) => signer.sign(id, now, body)).join(" "),
  };
}

/**
 * The same for every attempt and different for every event. `id.timestamp.body` is signed, so an id must have no dot:
 * with one, a part of the id could pass for the timestamp.
 */
function messageId(cursor: string): string {
  return encodeURIComponent(cursor).replaceAll(".", "%2E");
}
