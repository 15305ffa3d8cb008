import { describe, expect, test } from "vitest";
import { etcdBackend } from "../src/index.js";
import { settledOptions } from "../src/options.js";
import { parseUrl } from "../src/url.js";

describe("a URL", () => {
  test.each([
    ["etcd://h1:2379,h2:2380/staging", { hosts: ["h1:2379", "h2:2380"], namespace: "staging" }],
    ["etcd://h1", { hosts: ["h1:2379"] }],
    ["etcds://h1,h2/", { hosts: ["https://h1:2379", "https://h2:2379"] }],
    ["etcd://[::1]:1,[fe80::1]/x", { hosts: ["[::1]:1", "[fe80::1]:2379"], namespace: "x" }],
    [
      "etcd://me:a%40b@h/x%2Fy",
      { hosts: ["h:2379"], namespace: "x/y", auth: { username: "me", password: "a@b" } },
    ],
  ])("%s", (url, expected) => expect(parseUrl(url)).toEqual(expected));

  test("what is given beside it goes before it", () => {
    expect(settledOptions({ url: "etcd://h/x", namespace: "y" })).toMatchObject({
      namespace: "y",
      hosts: ["h:2379"],
    });
  });
});

test.each([
  [{}, "hosts"],
  [{ hosts: [] }, "hosts"],
  [{ hosts: "h" }, "hosts"],
  [{ hosts: ["h:1", "https://h:2"] }, "hosts"],
  [{ hosts: "h:1", url: "etcd://h" }, "hosts"],
  [{ url: "http://h" }, "url"],
  [{ hosts: "h:1", namespace: "" }, "namespace"],
  [{ hosts: "h:1", namespace: "a\0b" }, "namespace"],
  [{ hosts: "h:1", namespace: "x".repeat(129) }, "namespace"],
  [{ hosts: "h:1", timeoutMs: 0 }, "timeoutMs"],
  [{ hosts: "h:1", endMemoryMs: 10 }, "endMemoryMs"],
])("%j is refused, naming %s", (options, field) => {
  expect(() => etcdBackend(options)).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENT", details: { field } }),
  );
});
