/** What the operating system says of processes. */

/** One process, as the system described it. */
export interface ProcessFacts {
  readonly pid: number;
  /** The process that started it, or that took it over; 0 for none. */
  readonly parent: number;
  /** Its process group: what a terminal sends Ctrl-C to. */
  readonly group: number;
  /** The leader of its session, as a pid: the shell of a terminal, as a rule. */
  readonly session: number;
  /** Its terminal in the words of the system, or `null`. Equal for all processes of one terminal. */
  readonly tty: string | null;
  /**
   * When it started, in a form of this system: equal for as long as it is the same process, and another for the next
   * process that is given the pid.
   */
  readonly startTime: string;
}

/** The facts of one kind of operating system. */
export interface System {
  /** `null` where there is no such process, or it has ended and only its parent's look is missing (a zombie). */
  process(pid: number): ProcessFacts | null;
  /** Another one after each start of the machine. A pid means nothing without it. */
  bootId(): string;
  /** Within what pids are counted: containers count their own. `null` where the system has one count. */
  pidNamespace(): string | null;
}
