/**
 * The explorer: walks every state that a scenario can reach, whatever the network does to its messages, and checks each
 * of them. What a random test finds by luck, it finds or rules out, within the scenario's bounds.
 */
import { CheckFailed } from "../assert.js";
import { violation } from "./invariants.js";
import type { Scenario } from "./scenario.js";
import { World } from "./world.js";

/** What an exploration found. */
export interface Exploration {
  /** Different states reached. */
  readonly states: number;
  /** Steps tried. */
  readonly steps: number;
}

/** The steps that led to a state, last first. */
interface Trace {
  readonly label: string;
  readonly before: Trace | null;
}

/**
 * Explores a scenario completely, nearest states first, so that the trace in the error is a shortest one.
 *
 * @param maxStates - a bound for scenarios that are larger than thought: reaching it is an error too
 * @throws at the first state that breaks a promise, with the trace that leads to it
 */
export function explore(scenario: Scenario, maxStates = 200_000): Exploration {
  const start = World.start(scenario);
  const known = new Set([start.key()]);
  let frontier: { world: World; trace: Trace | null }[] = [{ world: start, trace: null }];
  let steps = 0;
  while (frontier.length > 0) {
    const next: typeof frontier = [];
    for (const { world, trace } of frontier) {
      for (const step of world.steps()) {
        steps += 1;
        const reached: Trace = { label: step.label, before: trace };
        const broken = violation(world, step.world);
        if (broken !== null) throw new CheckFailed(told(scenario, broken, reached), undefined, broken);
        const key = step.world.key();
        if (known.has(key)) continue;
        if (known.size >= maxStates)
          throw new RangeError(`"${scenario.name}" has more than ${maxStates} states`);
        known.add(key);
        next.push({ world: step.world, trace: reached });
      }
    }
    frontier = next;
  }
  return { states: known.size, steps };
}

function told(scenario: Scenario, broken: string, trace: Trace): string {
  const labels: string[] = [];
  for (let at: Trace | null = trace; at !== null; at = at.before) labels.unshift(at.label);
  const lines = labels.map((label, index) => `  ${index + 1}. ${label}`);
  return `Explored "${scenario.name}": ${broken}\n${lines.join("\n")}`;
}
