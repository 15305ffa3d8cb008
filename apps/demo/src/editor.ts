import type { Edit } from "./scenario.js";

/** Takes the time that this step of the present edit takes. */
export type Pace = (step: "work" | "write") => Promise<void>;

/** A way to edit the shared files. */
export interface Editor {
  /** Resolves once the edit is in its file: what is then said to be done must be found there in the end. */
  edit(edit: Edit, pace: Pace): Promise<void>;
  close(): Promise<void>;
}
