/** What a route does where it cannot deliver everything. */

/**
 * What happens to an event for which the buffer has no room. `"block"`: it stays in the store's history until there is
 * room; nothing is lost unless the history is pruned first. `"stop"`: the route stops, and says so. `"drop-oldest"`,
 * `"drop-newest"`: given up, and counted in a report.
 */
export type WhenFull = "block" | "stop" | "drop-oldest" | "drop-newest";

/**
 * What happens when the history no longer reaches back to the cursor. `"stop"`: the route stops. `"start"`: it goes on at
 * the oldest entry that is kept. `"end"`: it goes on with what is new. Each is reported.
 */
export type WhenCursorExpired = "stop" | "start" | "end";
