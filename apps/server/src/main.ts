/** The server's door: looks at the runtime before anything is loaded that an old one could choke on. */

const [major = 0] = process.versions.node.split(".").map(Number);

if (major < 22) {
  // better-sqlite3 would end the process on Node 20 without a word.
  console.error(`lease-server needs Node 22 or newer; this is ${process.versions.node}.`);
  process.exitCode = 1;
} else {
  const { start } = await import("./start.js");
  await start();
}
