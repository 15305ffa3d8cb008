/** What holders write to: things behind a fencing guard. Each write changes what was read before. */
import type { Fence, FencingGuard } from "@lease/core";
import type { Journal } from "./journal.js";
import type { Subject } from "./subject.js";

interface Thing {
  value: number;
  /** Whose write made it so. */
  writer: number;
  /** The greatest tokens that were admitted. */
  exclusive: number;
  shared: number;
}

export class Receiver {
  readonly #journal: Journal;
  readonly #guard: FencingGuard;
  readonly #things = new Map<string, Thing>();

  constructor(subject: Subject, journal: Journal) {
    this.#journal = journal;
    this.#guard = new subject.FencingGuard();
  }

  /** @returns what stands there, or `null` when the fence refuses */
  read(name: string, fence: Fence): number | null {
    return this.#admits(name, fence) ? this.#thing(name).value : null;
  }

  /**
   * @param read - what the writer read before, and what its write builds on
   * @returns whether the fence admitted it
   */
  write(name: string, fence: Fence, read: number): boolean {
    if (!this.#admits(name, fence)) return false;
    const thing = this.#thing(name);
    // One holder may mix up its own writes.
    if (fence.mode === "exclusive" && thing.value !== read && thing.writer !== fence.token) {
      this.#journal.violation("fence", `token ${fence.token} writes ${name} over what it never read`);
    }
    thing.value += 1;
    thing.writer = fence.token;
    return true;
  }

  #admits(name: string, fence: Fence): boolean {
    try {
      this.#guard.admit(name, fence);
    } catch {
      this.#journal.count("fenced");
      return false;
    }
    const { token, mode } = fence;
    const thing = this.#thing(name);
    const bar = mode === "shared" ? thing.exclusive : Math.max(thing.exclusive, thing.shared);
    if (token < bar) this.#journal.violation("fence", `token ${token} was admitted to ${name} after ${bar}`);
    thing[mode ?? "exclusive"] = Math.max(thing[mode ?? "exclusive"], token);
    return true;
  }

  #thing(name: string): Thing {
    const thing = this.#things.get(name) ?? { value: 0, writer: 0, exclusive: 0, shared: 0 };
    this.#things.set(name, thing);
    return thing;
  }
}
