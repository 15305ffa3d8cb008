/** All that is known when the judging begins. */
import { type AcquireCall, type Calls, callsOf } from "./calls.js";
import { Findings } from "./findings.js";
import type { JudgeLimits, JudgeOptions } from "./limits.js";
import type { LoggedCall } from "./log.js";
import { Neighbours } from "./neighbours.js";
import { Reading } from "./reading.js";
import { type RememberedEnd, rememberedEnds } from "./remembered.js";
import { countBefore } from "./steps-in-time.js";
import type { Life, Story } from "./story.js";
import { LifeTimes } from "./times.js";

export class Evidence {
  readonly calls: Calls;
  readonly limits: JudgeLimits;
  readonly options: JudgeOptions;
  readonly findings = new Findings();
  readonly lives: readonly LifeTimes[];
  readonly neighbours: Neighbours;
  readonly #reading: Reading;
  readonly #times = new Map<Life, LifeTimes>();
  readonly #unheard: readonly AcquireCall[];
  readonly #remembered = new Map<Story, RememberedEnd[]>();

  constructor(log: Iterable<LoggedCall>, limits: JudgeLimits, options: JudgeOptions) {
    this.calls = callsOf(log, options.copies === true);
    this.limits = limits;
    this.options = options;
    this.#unheard = this.calls.acquires.filter(({ answer }) => answer === null);
    this.#reading = new Reading(this.calls);
    for (const story of this.stories) {
      let livedUntil = Number.NEGATIVE_INFINITY;
      for (const life of story.lives) {
        const times = new LifeTimes(life, livedUntil, limits, options);
        this.#times.set(life, times);
        livedUntil = Math.max(livedUntil, times.provenUntil()?.value ?? livedUntil);
      }
      const ends = rememberedEnds(story, this.livesOf(story), limits, options.endsEarly === true);
      this.#remembered.set(story, ends);
    }
    this.lives = [...this.#times.values()];
    this.neighbours = new Neighbours(this.lives);
  }

  get stories(): Iterable<Story> {
    return this.#reading.stories.values();
  }

  readonly story = (id: string): Story => this.#reading.story(id);

  /** By token, smallest first. */
  readonly livesOf = (story: Story): LifeTimes[] =>
    story.lives.map((life) => this.#times.get(life) as LifeTimes);

  readonly life = (id: string, token: number): LifeTimes | undefined => {
    const life = this.story(id).lives.find((one) => one.token === token);
    return life && this.#times.get(life);
  };

  /** How many acquires that were sent by a moment can have entered without anybody having been shown it. */
  unseen(by: number): number {
    return countBefore(this.#unheard, by, ({ from }) => from, true);
  }

  /** What is certainly remembered of an id throughout a span. */
  readonly remembered = (id: string, from: number, to: number): RememberedEnd | undefined =>
    this.#remembered.get(this.story(id))?.find((end) => from > end.from && to < end.until);
}
