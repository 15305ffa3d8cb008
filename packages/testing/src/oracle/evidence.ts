/** All that a log says, put in order before the judging begins. */
import { type AcquireCall, type Calls, callsOf } from "./calls.js";
import { Findings } from "./findings.js";
import type { JudgeLimits, JudgeOptions } from "./limits.js";
import type { LoggedCall } from "./log.js";
import { Neighbours } from "./neighbours.js";
import { Reading } from "./reading.js";
import { type RememberedEnd, rememberedEnds } from "./remembered.js";
import { countBefore } from "./sorted.js";
import type { Life, Story } from "./story.js";
import { LeaseTimes } from "./times.js";

export class Evidence {
  readonly calls: Calls;
  readonly limits: JudgeLimits;
  readonly endsEarly: boolean;
  readonly findings = new Findings();
  /** Every lease that an answer shows. */
  readonly leases: readonly LeaseTimes[];
  readonly neighbours: Neighbours;
  readonly #reading: Reading;
  readonly #times = new Map<Life, LeaseTimes>();
  readonly #remembered = new Map<Story, RememberedEnd[]>();
  readonly #unanswered: readonly AcquireCall[];

  constructor(log: Iterable<LoggedCall>, limits: JudgeLimits, options: JudgeOptions) {
    this.calls = callsOf(log, options.copies === true);
    this.limits = limits;
    this.endsEarly = options.endsEarly === true;
    this.#unanswered = this.calls.acquires.filter(({ answer }) => answer === null);
    this.#reading = new Reading(this.calls);
    for (const story of this.stories) {
      let livedUntil = Number.NEGATIVE_INFINITY;
      for (const life of story.lives) {
        const lease = new LeaseTimes(life, livedUntil, limits, options);
        this.#times.set(life, lease);
        livedUntil = Math.max(livedUntil, lease.lived?.value ?? livedUntil);
      }
      // A fault may also have ended it while its end was to be remembered.
      if (this.endsEarly) continue;
      this.#remembered.set(story, rememberedEnds(story, this.leasesOf(story), limits));
    }
    this.leases = [...this.#times.values()];
    this.neighbours = new Neighbours(this.leases);
  }

  get stories(): Iterable<Story> {
    return this.#reading.stories.values();
  }

  story(id: string): Story {
    return this.#reading.story(id);
  }

  /** By token, smallest first. */
  leasesOf({ lives }: Story): LeaseTimes[] {
    return lives.map((life) => this.#times.get(life) as LeaseTimes);
  }

  lease(id: string, token: number): LeaseTimes | undefined {
    const life = this.story(id).lives.find((one) => one.token === token);
    return life && this.#times.get(life);
  }

  /** An end of the id that is certainly remembered from `from` to `to`. */
  remembered(id: string, from: number, to: number): RememberedEnd | undefined {
    return this.#remembered.get(this.story(id))?.find((end) => from > end.from && to < end.until);
  }

  /** How many acquires sent by a moment can have begun a lease that no answer shows. */
  unseen(by: number): number {
    return countBefore(this.#unanswered, by, ({ from }) => from, true);
  }
}
