/**
 * What a holder has in hand: an object of its own that leads to the handle. Nothing here leads to it for long, so that
 * the engine reports when it was dropped, and the process is warned.
 */
import { quoted } from "../text.js";
import type { LeaseHandle } from "./api.js";

/** A handle, and whether it is neither lost nor released. */
export type Kept = LeaseHandle & { readonly isKept: boolean };

export class InHand {
  readonly #handle: Kept;
  /** The process is warned once for each. */
  readonly #manager: object;
  #given: Kept | WeakRef<Kept>;

  constructor(handle: Kept, manager: object) {
    this.#handle = handle;
    this.#manager = manager;
    this.#given = new Proxy(handle, LEADS_ON);
  }

  /** The same object for as long as its holder has it. */
  get handle(): LeaseHandle {
    if (!(this.#given instanceof WeakRef)) return this.#given;
    return this.#given.deref() ?? new Proxy(this.#handle, LEADS_ON);
  }

  /** From now on its holder alone keeps it. Called at the first renewal, so that short leases pay nothing for it. */
  letGo(): void {
    if (this.#given instanceof WeakRef) return;
    drops.register(this.#given, this);
    this.#given = new WeakRef(this.#given);
  }

  onDropped(): void {
    const { id, claims, isKept } = this.#handle;
    if (!isKept || warned.has(this.#manager)) return;
    warned.add(this.#manager);
    const resources = claims.map(({ resource }) => quoted(resource)).join(", ");
    const message = `The handle of the lease ${id} on ${resources} was dropped without release(): it is renewed until its manager closes. Release leases, or use withLease() or "await using". (Said once for a manager.)`;
    const { process } = globalThis as { process?: Partial<NodeJS.Process> };
    if (process?.emitWarning === undefined) console.warn(message);
    else process.emitWarning(message, { code: "LEASE_DROPPED" });
  }
}

const warned = new WeakSet<object>();
const drops = new FinalizationRegistry<InHand>((inHand) => inHand.onDropped());

const LEADS_ON: ProxyHandler<Kept> = {
  get(target, key) {
    const member: unknown = Reflect.get(target, key, target);
    return typeof member === "function" ? member.bind(target) : member;
  },
  set: () => false,
};
