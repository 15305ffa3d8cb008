import { DARK, LIGHT, type Palette } from "./chart.js";

const variables = ({ ink, faint, plain, reached, missed }: Palette, paper: string, raised: string) =>
  `--ink:${ink};--faint:${faint};--plain:${plain};--reached:${reached};--missed:${missed};--paper:${paper};--raised:${raised};`;

/** Of the report; charts are drawn twice, and the one that fits is shown. */
export const STYLE = `
:root { ${variables(LIGHT, "#ffffff", "#f6f8fa")} }
.dark { display: none; }
@media (prefers-color-scheme: dark) {
  :root { ${variables(DARK, "#0d1117", "#151b23")} }
  .dark { display: block; }
  .light { display: none; }
}
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 20px 80px; }
h1 { font-size: 28px; margin: 0 0 8px; }
h2 { font-size: 21px; margin: 44px 0 8px; }
h3 { font-size: 16px; margin: 0 0 10px; }
a { color: var(--plain); text-decoration: none; }
a:hover { text-decoration: underline; }
nav { margin-top: 28px; }
.circumstances { font-size: 13px; opacity: 0.75; }
article { background: var(--raised); border: 1px solid var(--faint); border-radius: 8px; padding: 16px 18px; margin: 18px 0; }
.wide { overflow-x: auto; margin-bottom: 12px; }
.wide svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
td, th { padding: 3px 14px 3px 0; text-align: left; font-weight: 400; white-space: nowrap; vertical-align: top; }
.figures td, .figures thead th { text-align: right; }
.figures thead th { opacity: 0.7; border-bottom: 1px solid var(--faint); white-space: normal; min-width: 56px; vertical-align: bottom; }
.figures .ours th, .figures .ours td { font-weight: 600; }
.reached { color: var(--reached); }
.missed { color: var(--missed); }
`;
