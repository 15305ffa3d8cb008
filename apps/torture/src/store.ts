/** The store of a run: a machine of its own, with everything that reaches it written down. */
import type { LeaseBackend } from "@lease/core";
import { CallLog, FeedAudit } from "@lease/testing";
import { withHandOff } from "./hand-off.js";
import type { Journal } from "./journal.js";
import { Machine, Process } from "./machine.js";
import { Picture } from "./picture.js";
import type { Plan } from "./plan.js";
import type { Simulation } from "./simulation.js";
import type { Subject } from "./subject.js";

export class Store {
  readonly machine: Machine;
  readonly process: Process;
  readonly picture: Picture;
  readonly log: CallLog;
  /** Each call is one step at the moment of the call. */
  readonly backend: LeaseBackend;
  /** The oracle judges what is below this: a hand-off is a call like any other. */
  readonly #recorded: LeaseBackend;
  readonly #journal: Journal;
  /** Something that went wrong with it may last until then, in true time. */
  troubledUntil = Number.NEGATIVE_INFINITY;
  readonly #onServed: (id: string, state: string) => void;
  /** Ids that their agent released, and that are not remembered (decision 002). */
  readonly #forgotten = new Set<string>();
  readonly #stopFollowing = new AbortController();

  constructor(
    simulation: Simulation,
    plan: Plan,
    subject: Subject,
    journal: Journal,
    onServed: (id: string, state: string) => void,
  ) {
    this.#journal = journal;
    this.#onServed = onServed;
    this.machine = new Machine(simulation, plan.storeRate, 5_000_000);
    this.process = new Process(this.machine);
    const clock = this.process.clock(false);
    this.picture = new Picture(clock);
    this.log = new CallLog(clock);
    const memory = subject.memoryBackend({ clock });
    this.#recorded = this.#watched(this.log.recorded(memory, "store"));
    this.backend = plan.kinds.has("hand-off")
      ? withHandOff(this.#recorded, () => journal.count("hand-off"))
      : this.#recorded;
    void this.#follow();
  }

  /** Whether the feed leads to what the store lists. */
  async check(): Promise<void> {
    const page = await this.#recorded.list({ limit: 1000 });
    const listed = page.leases.map(({ id, state }) => `${state} ${id}`).join(", ");
    const pictured = this.picture
      .live()
      .map(({ id, state }) => `${state} ${id}`)
      .join(", ");
    if (listed !== pictured) {
      this.#journal.violation("feed", `it leads to [${pictured}], and [${listed}] is listed`);
    }
  }

  /** Whether a second copy of this acquire would begin a second life (decision 002: who sends one must abandon the id). */
  hasForgotten(id: string): boolean {
    return this.#forgotten.has(id);
  }

  trouble(ms: number): void {
    this.troubledUntil = Math.max(this.troubledUntil, this.machine.simulation.now + ms);
  }

  close(): void {
    this.#stopFollowing.abort();
  }

  async #follow(): Promise<void> {
    const audit = new FeedAudit();
    try {
      for await (const event of this.#recorded.changes({
        follow: true,
        signal: this.#stopFollowing.signal,
      })) {
        this.#journal.note(
          "store",
          () => `${event.type} ${event.lease.id} of ${event.lease.agentId}, token ${event.lease.token}`,
        );
        audit.add(event);
        this.picture.add(event);
        if (event.type === "released" || event.type === "cancelled") this.#forgotten.add(event.lease.id);
      }
    } catch (error) {
      this.#journal.violation("feed", (error as Error).message);
    }
  }

  #watched(backend: LeaseBackend): LeaseBackend {
    return {
      ...backend,
      acquire: async (request) => {
        const result = await backend.acquire(request);
        this.#onServed(request.id, result.status);
        if (result.status === "refused" && result.lease !== null) {
          this.picture.extend(request.id, request.waitTtlMs);
        }
        return result;
      },
      release: async (requests) => {
        const results = await backend.release(requests);
        for (const { kind, id } of requests) if (kind === "abandon") this.#forgotten.delete(id);
        return results;
      },
    };
  }
}
