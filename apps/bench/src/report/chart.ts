/** Ratios as a picture: a dot for the median, a line from the lowest to the highest round, a mark for the target. */
import { CustomChart, type CustomSeriesOption } from "echarts/charts";
import { GridComponent, MarkLineComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import type { Comparison } from "../result/schema.js";
import { comparisonName, figure } from "./words.js";

use([CustomChart, GridComponent, MarkLineComponent, SVGRenderer]);

export interface Palette {
  readonly ink: string;
  readonly faint: string;
  readonly plain: string;
  readonly reached: string;
  readonly missed: string;
}

export const LIGHT: Palette = {
  ink: "#1f2328",
  faint: "#d1d9e0",
  plain: "#0969da",
  reached: "#1a7f37",
  missed: "#cf222e",
};

export const DARK: Palette = {
  ink: "#e6edf3",
  faint: "#3d444d",
  plain: "#4493f8",
  reached: "#3fb950",
  missed: "#f85149",
};

const WIDTH = 1000;
const ROW = 30;
const BELOW = 46;
const VALUES = 110;
const CHARACTER = 6.6;
const MOST_IN_TWOS = 100;
const FONT = "system-ui, sans-serif";

/** An SVG that needs nothing else; of comparisons that are ratios and all go the same way. */
export function chart(comparisons: readonly Comparison[], palette: Palette): string {
  const rows = [...comparisons].reverse();
  const height = rows.length * ROW + BELOW;
  const names = rows.map(comparisonName);
  const view = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  const axis = { axisLine: { lineStyle: { color: palette.faint } }, axisTick: { show: false } };
  const text = { color: palette.ink, fontFamily: FONT, fontSize: 12 };
  view.setOption({
    animation: false,
    grid: {
      left: Math.max(...names.map((name) => name.length)) * CHARACTER + 14,
      right: VALUES,
      top: 6,
      bottom: BELOW - 6,
    },
    yAxis: { type: "category", data: names, ...axis, axisLabel: text },
    xAxis: {
      type: "log",
      ...scaleOf(rows),
      name:
        rows[0]?.better === "higher" ? "times as much; more is better →" : "times as much; ← less is better",
      nameLocation: "middle",
      nameGap: 26,
      nameTextStyle: text,
      ...axis,
      axisLabel: { ...text, formatter: (value: number) => `${Number(value.toPrecision(3))} ×` },
      splitLine: { lineStyle: { color: palette.faint, opacity: 0.6 } },
    },
    series: [
      {
        type: "custom",
        silent: true,
        data: rows.map(({ median, low, high, target }, row) => [
          row,
          median,
          low,
          high,
          boundOf(target) ?? Number.NaN,
        ]),
        renderItem: drawRow(rows, palette),
        encode: { y: 0, x: [1, 2, 3] },
        markLine: {
          silent: true,
          symbol: "none",
          label: { show: false },
          lineStyle: { color: palette.ink, type: "solid", width: 1, opacity: 0.5 },
          data: [{ xAxis: 1 }],
        },
      } satisfies CustomSeriesOption,
    ],
  });
  const svg = view.renderToSVGString();
  view.dispose();
  return svg;
}

/** So that all of it is seen, with the line at 1; from power to power, of two where that makes few lines. */
function scaleOf(rows: readonly Comparison[]): { min: number; max: number; logBase: number } {
  const values = rows.flatMap(({ low, high, target }) => [low, high, boundOf(target) ?? 1]);
  const positive = values.filter((value) => value > 0);
  const [least, most] = [Math.min(0.8, ...positive), Math.max(1.25, ...positive)];
  const logBase = most / least <= MOST_IN_TWOS ? 2 : 10;
  const exponent = (value: number) => Math.log(value) / Math.log(logBase);
  return {
    min: logBase ** Math.floor(exponent(least)),
    max: logBase ** Math.ceil(exponent(most)),
    logBase,
  };
}

function boundOf(target: Comparison["target"]): number | undefined {
  return target?.atLeast ?? target?.atMost;
}

function drawRow(
  rows: readonly Comparison[],
  palette: Palette,
): NonNullable<CustomSeriesOption["renderItem"]> {
  return (_, api) => {
    const row = Number(api.value(0));
    const { reached, median } = rows[row] as Comparison;
    const color = reached === null ? palette.plain : reached ? palette.reached : palette.missed;
    const at = (dimension: number) => api.coord([api.value(dimension), row]) as [number, number];
    const [[x, y], [low], [high], [target]] = [at(1), at(2), at(3), at(4)];
    const stroke = (x1: number, y1: number, x2: number, y2: number, of: string, lineWidth: number) => ({
      type: "line" as const,
      shape: { x1, y1, x2, y2 },
      style: { stroke: of, lineWidth },
    });
    return {
      type: "group",
      children: [
        stroke(low, y, high, y, color, 2),
        ...(Number.isNaN(target) ? [] : [stroke(target, y - 10, target, y + 10, palette.ink, 2.5)]),
        { type: "circle" as const, shape: { cx: x, cy: y, r: 5 }, style: { fill: color } },
        {
          type: "text" as const,
          style: {
            text: `${figure(median)} ×`,
            x: WIDTH - VALUES + 16,
            y: y - 6,
            fill: palette.ink,
            font: `600 12px ${FONT}`,
          },
        },
      ],
    };
  };
}
