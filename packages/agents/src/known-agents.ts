/** Coding agents that give the programs they run the id of their session. */

/** A product, and the variable that holds its session's id. Seen in the version beside it. */
export const KNOWN_AGENTS: readonly {
  readonly product: string;
  readonly variable: string;
  readonly seenIn: string;
}[] = Object.freeze([
  { product: "claude", variable: "CLAUDE_CODE_SESSION_ID", seenIn: "Claude Code 2.1.332" },
  { product: "codex", variable: "CODEX_THREAD_ID", seenIn: "Codex 0.171.0" },
  { product: "copilot", variable: "COPILOT_AGENT_SESSION_ID", seenIn: "GitHub Copilot CLI 1.0.102" },
]);
