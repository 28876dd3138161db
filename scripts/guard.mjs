// Runs one program for as long as its parent lives: `node guard.mjs PROGRAM ARGS…`, with a pipe from the parent as stdin.
// Always holds: when that pipe closes (the parent ended, however it ended) or TERM comes, the program and all it started end,
// politely first, by force after 4 seconds. The guard leads their process group; nothing outside the group is touched.
// Absent: any other use of stdin.
import { spawn } from "node:child_process";

const PATIENCE_MS = 4_000;
const child = spawn(process.argv[2], process.argv.slice(3), { stdio: ["ignore", "inherit", "inherit"] });
let ending = false;

function end() {
  if (ending) return;
  ending = true;
  child.kill("SIGTERM");
  setTimeout(() => process.kill(-process.pid, "SIGKILL"), PATIENCE_MS);
}

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, end);
process.stdin.on("end", end).on("close", end).on("error", end).resume();
// Writing to a parent that is gone is no reason to die before the child does.
process.stdout.on("error", () => {});
child.once("error", (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(127);
});
child.once("exit", (code, signal) => {
  if (!ending) process.exit(code ?? (signal ? 1 : 0));
  // Its own children may outlive it: the group is ended as a whole.
  process.kill(-process.pid, "SIGKILL");
});
