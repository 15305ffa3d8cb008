import { type Lease, MAX } from "@lease/core";
import { conflicts } from "@lease/core/backend";
import { check, equal, rejects } from "../assert.js";
import { type Cases, exclusive } from "./context.js";

/** Names that a careless key, pattern, script or query would take for something else. */
const HOSTILE = [
  ..."a|a/b|ab|a b|a-b/c|a.b|a/b!|a0|A|a/B|a/b/c|a//".split("|").filter((name) => !name.endsWith("/")),
  ..."{a}|{a}b|a{b|}{|a:b|a::b|:|::1|port:5432".split("|"),
  ...`'|''|"|a'b|a"b|'; DROP TABLE leases; --|\`|$(x)|\${x}`.split("|"),
  ..."%|%s|%%|%2F|a%2Fb|_|a_b|\\|a\\b|\\0|\\x00".split("|"),
  ..."(|)|[|]|[a]|app/[id]/page.tsx|^|$|+|#|;|,|&|=|<|>|!|~|@|-|--|...|a..b|.a|a.".split("|"),
  ..."null|undefined|NaN|0|-1|1e9|true|__proto__|constructor|toString|hasOwnProperty".split("|"),
  " ",
  " a",
  "a ",
  "a/ /b",
  "日本語/ファイル.txt",
  "Привет/мир",
  "مرحبا",
  "é",
  "ß",
  "ẞ",
  "ı",
  "İ",
  "😀",
  "👩‍👩‍👧/x",
  "\u{10FFFF}",
  "\uFFFF",
  "\uE000",
  "\u200B",
  "\u2028",
  "x".repeat(MAX.resourceBytes),
  "x".repeat(MAX.resourceBytes - 1),
  "é".repeat(MAX.resourceBytes / 2),
  "😀".repeat(MAX.resourceBytes / 4),
  Array.from({ length: MAX.resourceBytes / 2 }, () => "d").join("/"),
].filter((name, index, all) => all.indexOf(name) === index);

export const resourceCases: Cases = {
  async "hostile names are names like any other: each its own, kept as given, and held against itself"(c) {
    const held = new Map<string, Lease>();
    for (const name of HOSTILE) {
      const on = held.size % 2 ? c.backend : c.other;
      held.set(name, await c.hold(name, { on, agentId: `agent ${held.size}` }));
    }
    for (const [name, lease] of held) {
      const refused = await c.refused(c.request(name, { agentId: "bob" }));
      equal(
        refused.blockers.map(({ id, resource }) => [id, resource]),
        [[lease.id, name]],
        `who holds ${name}`,
      );
      equal(
        (await c.list({ resource: name })).map(({ id }) => id),
        [lease.id],
        `what is listed of ${name}`,
      );
      equal(
        (await c.events({ resource: name })).map((event) => event.lease.id),
        [lease.id],
        `what is told of ${name}`,
      );
      equal((await c.find(lease.id))?.claims, exclusive(name), `the claims of ${name}`);
    }
  },

  async "below every hostile name a subtree holds what is below it and nothing else"(c) {
    const short = HOSTILE.filter((name) => new TextEncoder().encode(name).length <= MAX.resourceBytes - 5);
    for (const name of short) {
      const held = await c.hold(`${name}/**`);
      const blocked = short.filter((other) =>
        conflicts({ resource: `${name}/**`, mode: "exclusive" }, { resource: other, mode: "shared" }),
      );
      const refused = await c.refused(c.request(`${name}/x`, { agentId: "bob" }), c.other);
      equal(refused.blockers[0]?.resource, `${name}/**`, `below ${name}`);
      await c.release(held);
      // All that it does not hold, in one request.
      const free = short.filter((other) => !blocked.includes(other)).slice(0, c.limits.maxClaims);
      const again = await c.hold(`${name}/**`);
      const others = await c.hold(exclusive(...free), { agentId: "bob", on: c.other });
      await c.release(others);
      await c.release(again);
    }
  },

  async "hostile agent ids, reasons and metadata come back as they went in"(c) {
    const metadata: Record<string, unknown> = {
      empty: {},
      list: [],
      deep: { a: [{ b: null }] },
      n: 1.5,
      big: 1e300,
    };
    for (const [index, text] of HOSTILE.entries()) metadata[`${index % 30}`] = text.slice(0, 40);
    for (const key of ["", "'", '"', "{k}", "a.b", "$", "😀"]) metadata[key] = key;
    for (const text of HOSTILE.filter((name) => name.length < 60)) {
      const held = await c.hold("r", { agentId: text, reason: text, metadata: metadata as never });
      const listed = await c.find(held.id, c.other);
      equal([listed?.agentId, listed?.reason], [text, text], "agentId and reason");
      equal(listed?.metadata, metadata, "metadata");
      equal(
        (await c.list({ agentId: text })).map(({ id }) => id),
        [held.id],
        `leases of ${text}`,
      );
      const refused = await c.refused(c.request("r", { agentId: "bob" }));
      equal([refused.blockers[0]?.agentId, refused.blockers[0]?.reason], [text, text], "as a blocker");
      equal(await c.revoke(held, 0, { by: text, reason: text }), "revoked", "revoking");
      equal(await c.renew(held), { status: "revoked", by: text, reason: text }, "who and why");
    }
  },

  async "metadata and reason may be as big as allowed, and one byte more is refused"(c) {
    const frame = JSON.stringify({ text: "" }).length;
    const big = { text: "x".repeat(MAX.metadataBytes - frame) };
    const held = await c.hold("r", { metadata: big, reason: "y".repeat(1024), agentId: "z".repeat(256) });
    equal((await c.find(held.id, c.other))?.metadata, big, "the biggest metadata");
    equal((await c.events())[0]?.lease.metadata, big, "in the history");
    const more = { text: `${big.text}x` };
    await rejects(
      c.backend.acquire(c.request("s", { metadata: more })),
      "INVALID_ARGUMENT",
      "more",
      "metadata",
    );
    const wide = { text: "é".repeat(MAX.metadataBytes / 2) };
    await rejects(
      c.backend.acquire(c.request("s", { metadata: wide })),
      "INVALID_ARGUMENT",
      "bytes count",
      "metadata",
    );
  },

  async "the longest lists of holding and ids are taken"(c) {
    const ids = Array.from(
      { length: 1000 },
      (_, index) => `00000000-0000-7000-8000-${String(index).padStart(12, "0")}`,
    );
    const held = await c.hold("r", { holding: ids });
    equal((await c.find(held.id))?.holding, ids, "holding");
    const found = await c.backend.list({ ids: [...ids.slice(1), held.id] });
    equal(
      found.leases.map(({ id }) => id),
      [held.id],
      "found among a thousand ids",
    );
  },

  async "one name has one spelling: decomposed Unicode is refused, not taken for another name"(c) {
    const composed = "caf\u00e9";
    const held = await c.hold(composed);
    const request = c.request(composed.normalize("NFD"), { agentId: "bob" });
    await rejects(c.backend.acquire(request), "INVALID_ARGUMENT", "NFD", "claims[0].resource");
    check((await c.find(held.id)) !== undefined, "the composed name is held");
    await c.hold("cafe", { agentId: "bob" });
    await c.hold("CAF\u00c9", { agentId: "bob" });
  },
};
