import { describe, expect, test } from "vitest";
import { html } from "../src/report/html.ts";
import { markdown } from "../src/report/markdown.ts";
import { caseText, closingText } from "../src/report/text.ts";
import { resultsOf } from "./results.ts";

const reached = resultsOf([115, 120, 125]);
const missed = resultsOf([95, 99, 100]);

describe("the page", () => {
  const page = html(reached);

  test("needs nothing from elsewhere: no script, no address but names of SVG", () => {
    expect(page).not.toMatch(/<script|<link|<img|@import|url\((?!#)/);
    expect(page.match(/https?:\/\/[^"]+/g)?.every((url) => url.startsWith("http://www.w3.org/"))).toBe(true);
  });

  test("has a chart for light and one for dark, with a row for each ratio", () => {
    expect(page.match(/<svg/g)).toHaveLength(2);
    expect(page).toContain("prefers-color-scheme: dark");
    expect(page.match(/>lease : raw ioredis<\/text>/g)).toHaveLength(2);
  });

  test("says of each target whether it is reached, and by how much it is missed", () => {
    expect(page).toContain("Targets: 1 of 1 reached");
    expect(page).toContain("1.20 × (1.15–1.25)");
    expect(html(missed)).toContain("missed by 10.0 %");
  });

  test("says what is aimed at and was not measured", () => {
    const untold = resultsOf([1], { targets: [{ metric: "serverUs", of: "lease", to: "raw", atMost: 1 }] });
    for (const text of [html(untold), markdown(untold), closingText(untold)]) {
      expect(text).toMatch(/not measured: pairs\/redis\/16: serverUs, lease : raw ioredis/i);
    }
  });

  test("shows words as words", () => {
    expect(page).toContain("redlock &lt;4&gt;");
    expect(page).not.toContain("redlock <4>");
    expect(page).toContain("Again &amp; again.");
  });
});

describe("the tables for docs", () => {
  test("have a row for each contender and each ratio", () => {
    const text = markdown(reached);
    expect(text).toContain("### Targets: 1 of 1 reached");
    expect(text).toMatch(/^\| lease \| 120 \| 2\.00 \|$/m);
    expect(text).toMatch(
      /^\| lease : raw ioredis \| pairs\/s \| 1\.20 × \(1\.15–1\.25\) \| at least 1\.10 \| reached \|$/m,
    );
    expect(text).toContain("redlock4 = redlock 4.2.0");
  });
});

describe("the terminal", () => {
  test("gets columns that line up", () => {
    const [scenario] = missed.scenarios;
    const lines = caseText(
      scenario as NonNullable<typeof scenario>,
      (scenario as NonNullable<typeof scenario>).cases[0] as never,
    ).split("\n");
    const rows = lines.slice(1, 5);
    expect(new Set(rows.map((row) => row.length)).size).toBe(1);
    expect(rows[1]).toMatch(/lease +99 +2\.00$/);
  });

  test("gets the targets at the end", () => {
    expect(closingText(missed)).toContain("Targets: 0 of 1 reached");
    expect(closingText(missed)).toContain("missed by 10.0 %");
  });
});
