/** What a campaign did, in words. */
import type { Campaign } from "./campaign.js";

/** So much of the trace is shown. */
const LAST_LINES = 80;
const MOST_WIDE = 300;

export function reportOf(campaign: Campaign): string {
  const { seed, seeds, events, ms, counts, judged, unjudged, failed } = campaign;
  const of = (prefix: string) =>
    [...counts]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, count]) => `${name.slice(prefix.length)} ${count}`)
      .sort()
      .join(", ");
  const others = [...counts].filter(([name]) => !name.includes(": "));
  const lines = [
    `seeds       ${seeds} (${seed} to ${seed + seeds - 1}) in ${(ms / 1000).toFixed(1)} s, ${Math.round((60_000 * seeds) / ms)} a minute`,
    `events      ${events}, ${Math.round((1000 * events) / ms)} a second`,
    `requests    ${of("outcome: ")}`,
    `losses      ${of("loss: ") || "none"}`,
    `happened    ${others
      .map(([name, count]) => `${name} ${count}`)
      .sort()
      .join(", ")}`,
    `oracle      ${judged} answers of the store judged, ${unjudged} not`,
    `violations  ${failed === null ? 0 : failed.violations.length}`,
  ];
  return [...lines, ...(failed === null ? [] : failureOf(campaign, failed))].join("\n");
}

function failureOf(
  { only }: Campaign,
  { seed, violations, trace }: NonNullable<Campaign["failed"]>,
): string[] {
  const kinds = only === undefined ? "" : ` --only ${only.join(",")}`;
  return [
    "",
    `The last of seed ${seed}:`,
    ...trace
      .slice(-LAST_LINES)
      .map((line) => (line.length > MOST_WIDE ? `${line.slice(0, MOST_WIDE)} …` : line)),
    "",
    ...violations.map(({ check, what, at }) => `VIOLATION at ${at.toFixed(1)} ms, ${check}: ${what}`),
    "",
    `To repeat it: npm run torture -- --simulated --seed ${seed} --seeds 1${kinds}`,
  ];
}
