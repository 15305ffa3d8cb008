/**
 * The network between one process and the store: a `LeaseBackend` whose messages get lost, come late and come twice,
 * each way for itself. It never changes what a message says.
 */
import type { LeaseBackend, LeaseEvent } from "@lease/core";
import type { AcquireRequest, AcquireResult, ChangesOptions, TurnRequest } from "@lease/core/backend";
import type { Journal } from "./journal.js";
import type { Process } from "./machine.js";
import { MAX_TTL_MS, type Plan } from "./plan.js";
import type { Random } from "./random.js";
import type { Store } from "./store.js";
import type { Subject } from "./subject.js";
import { acquireInWords, answerInWords, releaseInWords, renewInWords } from "./words.js";

/** A call that nobody answered ends by then, on its process's clock. */
export const CALL_MS = 1_000;
/** A late message takes up to so long. */
export const LATEST_MS = MAX_TTL_MS + 1_000;

/** Told of the acquires of a process on their way, by the number that its request carries. */
export interface AcquireWatch {
  onSend(request: AcquireRequest): void;
  /** It may reach the store once more than it was sent. */
  onDouble(request: AcquireRequest): void;
  /** @param settle - hands the answer to the caller */
  onAnswer(request: AcquireRequest, settle: () => void): void;
}

export interface NetworkParts {
  readonly plan: Plan;
  readonly subject: Subject;
  readonly random: Random;
  readonly journal: Journal;
  readonly store: Store;
  readonly process: Process;
  readonly agentId: string;
  readonly watch: AcquireWatch;
}

type TransportError = "OUTCOME_UNKNOWN" | "BACKEND_UNAVAILABLE";

/** How long a message is on its way, one way, and whether it gets lost there. */
interface Leg {
  readonly ms: number;
  readonly isLost: boolean;
}

/** A call of the store on its way. */
interface Call<T> {
  readonly name: string;
  readonly inWords: () => string;
  readonly run: () => Promise<T>;
  /** @param settle - hands the answer to the caller */
  readonly onAnswer?: (settle: () => void) => void;
  readonly onDouble?: () => void;
  /** Whether a second copy may reach the store now. */
  readonly mayRepeat?: () => boolean;
}

export class Network {
  /** From now on messages take a moment, and all arrive. */
  isCalm = false;
  /** Something that went wrong may last until then, in true time. */
  troubledUntil = Number.NEGATIVE_INFINITY;
  readonly backend: LeaseBackend;
  readonly #parts: NetworkParts;

  constructor(parts: NetworkParts) {
    this.#parts = parts;
    const { backend } = parts.store;
    const { kind, limits } = backend;
    this.backend = {
      kind,
      limits,
      acquire: (request) => this.#acquire(request),
      turn: (wait) => this.#turn(wait),
      renew: (requests) => {
        const inWords = () => requests.map(renewInWords).join("; ");
        return this.#call({ name: "renew", inWords, run: () => backend.renew(requests) });
      },
      release: (requests) => {
        const inWords = () => requests.map(releaseInWords).join("; ");
        return this.#call({ name: "release", inWords, run: () => backend.release(requests) });
      },
      list: (query) =>
        this.#call({ name: "list", inWords: () => query.state ?? "", run: () => backend.list(query) }),
      sweep: (options) => this.#call({ name: "sweep", inWords: () => "", run: () => backend.sweep(options) }),
      changes: (options) => this.#changes(options),
      close: async () => {},
    };
  }

  /** Something else went wrong with this process that may last for so long. */
  trouble(ms: number): void {
    this.troubledUntil = Math.max(this.troubledUntil, this.#now + ms);
  }

  /** Sends a message that is not answered, to a receiver that is always there. */
  send(run: () => void): void {
    const leg = this.#leg();
    if (!leg.isLost) this.#later(leg.ms, run);
    if (this.#strikes("double")) this.#later(leg.ms + this.#parts.random.between(0, LATEST_MS), run);
  }

  get #now(): number {
    return this.#parts.store.machine.simulation.now;
  }

  #later(ms: number, run: () => void): void {
    this.#parts.store.machine.simulation.after(ms, run);
  }

  /** What reaches the process only while it runs. */
  #arrive(ms: number, run: () => void): void {
    this.#later(ms, () => this.#parts.process.receive(run));
  }

  /** What reaches the store, only while that runs. */
  #serveIn(ms: number, run: () => void): void {
    this.#later(ms, () => this.#parts.store.process.receive(run));
  }

  /** Whether something of this kind happens to a message. */
  #strikes(kind: "lost" | "late" | "double" | "hint"): boolean {
    const { plan, random, journal } = this.#parts;
    if (this.isCalm || !plan.kinds.has(kind) || !random.chance(plan.faults / 2)) return false;
    journal.count(kind);
    this.trouble(LATEST_MS + CALL_MS);
    return true;
  }

  #leg(): Leg {
    const { random } = this.#parts;
    const isLost = this.#strikes("lost");
    const ms = this.#strikes("late") ? random.between(5, LATEST_MS) : random.next() * 3;
    return { ms, isLost };
  }

  #acquire(request: AcquireRequest): Promise<AcquireResult> {
    const { store, watch } = this.#parts;
    watch.onSend(request);
    return this.#call({
      name: "acquire",
      inWords: () => acquireInWords(request),
      run: () => store.backend.acquire(request),
      onAnswer: (settle) => watch.onAnswer(request, settle),
      onDouble: () => watch.onDouble(request),
      mayRepeat: () => !store.hasForgotten(request.id),
    });
  }

  #call<T>({ name, inWords, run, ...watch }: Call<T>): Promise<T> {
    const { onAnswer = (settle) => settle(), onDouble = () => {}, mayRepeat = () => true } = watch;
    const { process, journal, random, agentId } = this.#parts;
    journal.note(agentId, () => `-> ${name} ${inWords()}`);
    return new Promise((resolve, reject) => {
      let isOpen = true;
      const settle = (act: () => void, text: () => string) => {
        if (!isOpen) return;
        isOpen = false;
        cancelTimeout();
        journal.note(agentId, () => `<- ${name}: ${text()}`);
        onAnswer(act);
      };
      const fail = (code: TransportError) =>
        settle(
          () => reject(this.#error(code)),
          () => code,
        );
      const cancelTimeout = process.schedule(CALL_MS, () => fail("OUTCOME_UNKNOWN"));

      const serve = (reply: Leg, isCopy: boolean) => {
        if (isCopy && !mayRepeat()) return;
        const answer = (act: () => void, text: () => string) => {
          journal.note("store", () => `${name} of ${agentId}: ${text()}`);
          if (!reply.isLost) this.#arrive(reply.ms, () => settle(act, text));
        };
        run().then(
          (result) =>
            answer(
              () => resolve(result),
              () => answerInWords(result),
            ),
          (error: Error) =>
            answer(
              () => reject(error),
              () => String(error),
            ),
        );
      };

      const request = this.#leg();
      if (request.isLost && random.chance(0.5)) {
        // Refused on its way: surely not applied.
        this.#arrive(request.ms, () => fail("BACKEND_UNAVAILABLE"));
        return;
      }
      const isDoubled = this.#strikes("double");
      if (!request.isLost) {
        const reply = this.#leg();
        this.#serveIn(request.ms, () => serve(reply, isDoubled));
      }
      if (isDoubled) {
        onDouble();
        this.#serveIn(random.between(0, LATEST_MS), () => serve({ ms: 0, isLost: true }, true));
      }
    });
  }

  /** A hint: the caller's own clock ends it in time, whatever becomes of the messages. */
  #turn({ id, timeoutMs, signal }: TurnRequest): Promise<void> {
    const { process, store, random } = this.#parts;
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const stop = new AbortController();
      const end = (act: () => void) => {
        cancel();
        signal?.removeEventListener("abort", onTime);
        stop.abort();
        act();
      };
      const onTime = () => end(resolve);
      const cancel = process.schedule(timeoutMs, onTime);
      signal?.addEventListener("abort", onTime);
      const there = this.#leg();
      if (this.#strikes("hint")) {
        const how = random.of(["never", "for nothing", "an error"]);
        if (how === "for nothing") this.#arrive(random.between(0, timeoutMs), onTime);
        if (how === "an error")
          this.#arrive(there.ms, () => end(() => reject(this.#error("BACKEND_UNAVAILABLE"))));
        return;
      }
      if (there.isLost) return;
      const ask = () => {
        const asked = store.backend.turn({ id, timeoutMs: timeoutMs + LATEST_MS, signal: stop.signal });
        asked.then(() => {
          const back = this.#leg();
          if (!back.isLost) this.#arrive(back.ms, onTime);
        }, reject);
      };
      this.#serveIn(there.ms, ask);
    });
  }

  async *#changes(options: ChangesOptions): AsyncGenerator<LeaseEvent, void> {
    const { store } = this.#parts;
    await this.#hop();
    for await (const event of store.backend.changes(options)) {
      await this.#hop();
      yield event;
    }
  }

  /** One event of the feed on its way; the order of a feed is never broken, but it is. */
  #hop(): Promise<void> {
    const { ms, isLost } = this.#leg();
    if (isLost) this.#parts.journal.count("feed");
    return new Promise((resolve, reject) => {
      const act = isLost ? () => reject(this.#error("BACKEND_UNAVAILABLE")) : resolve;
      this.#arrive(ms, act);
    });
  }

  #error(code: TransportError): Error {
    const { LeaseError } = this.#parts.subject;
    return new LeaseError(code, code === "OUTCOME_UNKNOWN" ? "Nobody answered." : "It did not arrive.");
  }
}
