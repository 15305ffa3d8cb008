/** What a case comes down to: ours beside each of the others, round by round, and whether the targets are reached. */
import type { Measured } from "../frame/runner.js";
import type { Aim, Bound, CasePlan, Metric, Target } from "../frame/scenario.js";
import { spreadOf } from "../frame/stats.js";
import type { Comparison } from "./schema.js";

/** The plan's targets first, then what else it compares, then ours, in the first metric, to all raw ones and peers. */
export function comparisonsOf(plan: CasePlan, measured: readonly Measured[]): Comparison[] {
  const [main] = plan.metrics;
  const own = measured.find(({ kind }) => kind === "ours");
  const targets = plan.targets.map((target) => ({ aim: resolved(target, measured), bound: boundOf(target) }));
  const compared = (plan.compared ?? []).map((aim) => ({ aim: resolved(aim, measured), bound: null }));
  const others =
    main === undefined || own === undefined
      ? []
      : measured
          .filter(({ kind }) => kind !== "ours")
          .map(({ name }) => ({ aim: { metric: main.key, of: own.name, to: name }, bound: null }));
  const isTold = ({ metric, of, to }: Aim) =>
    targets.some(({ aim }) => aim.metric === metric && aim.of === of && aim.to === to);
  return [...targets, ...compared, ...others.filter(({ aim }) => !isTold(aim))].flatMap(({ aim, bound }) =>
    comparison(plan.metrics, measured, aim, bound),
  );
}

/** In words, the targets of which nothing was measured. */
export function untoldTargets(plan: CasePlan, measured: readonly Measured[]): string[] {
  return plan.targets
    .map((target) => resolved(target, measured))
    .filter((aim) => comparison(plan.metrics, measured, aim, null).length === 0)
    .map(({ metric, of, to }) => {
      const label = plan.metrics.find(({ key }) => key === metric)?.label ?? metric;
      return `${label}, ${of}${to === undefined ? "" : ` : ${to}`}`;
    });
}

/** The only one of a kind is called by its name. */
function resolved({ metric, of, to }: Aim, measured: readonly Measured[]): Aim {
  if (to === undefined) return { metric, of };
  const meant = measured.filter(({ kind }) => (to === "peers" ? kind === "peer" : kind === to));
  return { metric, of, to: meant.length === 1 ? (meant[0] as Measured).name : to };
}

function boundOf(target: Target): Bound {
  const { metric: _, of: __, to: ___, ...bound } = target;
  return bound;
}

function comparison(
  metrics: readonly Metric[],
  measured: readonly Measured[],
  aim: Aim,
  target: Bound | null,
): Comparison[] {
  const metric = metrics.find(({ key }) => key === aim.metric);
  const own = values(measured, aim.metric, ({ name }) => name === aim.of);
  if (metric === undefined || own === undefined) return [];
  const { better } = metric;
  let rounds = own[0] as number[];
  if (aim.to !== undefined) {
    const others = values(measured, aim.metric, ({ name, kind }) =>
      aim.to === "peers" ? kind === "peer" : name === aim.to || kind === aim.to,
    );
    if (others === undefined) return [];
    const best = better === "higher" ? Math.max : Math.min;
    rounds = rounds.map((value, round) => value / best(...others.map((other) => other[round] as number)));
  }
  const spread = spreadOf(rounds);
  return [
    {
      metric: aim.metric,
      of: aim.of,
      to: aim.to ?? null,
      better,
      rounds,
      ...spread,
      target,
      reached: target === null ? null : isReached(target, spread.median),
    },
  ];
}

/** By entrant, then by round; undefined when there is none, or one was not measured in this metric. */
function values(
  measured: readonly Measured[],
  metric: string,
  isMeant: (entrant: Measured) => boolean,
): number[][] | undefined {
  const meant = measured.filter(isMeant).map(({ samples }) => samples.map((sample) => sample[metric]));
  const complete = meant.every((samples) => samples.every((value) => value !== undefined));
  return meant.length > 0 && complete ? (meant as number[][]) : undefined;
}

function isReached(target: Bound, median: number): boolean {
  return "atLeast" in target ? median >= target.atLeast : median <= target.atMost;
}
