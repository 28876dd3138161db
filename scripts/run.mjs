// Runs other programs for the scripts: output into a log file, the end of it into the failure.
// Always holds: each program has its own process group, ended with us (Ctrl-C, TERM, a closed terminal), so nothing is left behind;
// arguments are lists, no shell reads them.
// Absent: secrets on command lines. What is secret goes in through `input`.
import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import { join } from "node:path";
import { LOGS, ROOT, toolEnv } from "./project.mjs";
import { Problem } from "./terminal.mjs";

const TAIL = 200_000;
const SHOWN_LINES = 400;
const running = new Set();

/** Sends `signal` to a program and all it started. */
export function endGroup(child, signal = "SIGTERM") {
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

/** A failed program: its log's path and how its output ended. */
export class Failed extends Problem {
  constructor(command, code, output, log) {
    const lines = output.trimEnd().split("\n").filter((line) => !/^\s*(Compiling|Checking|Downloaded|Adding) /.test(line));
    const end = lines.slice(-SHOWN_LINES).join("\n");
    super(`${command} failed (${code}).${log ? ` The whole log: ${log}` : ""}\n\n${end}\n`);
    this.output = output;
  }
}

const NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };
for (const [signal, number] of Object.entries(NUMBERS)) {
  process.on(signal, () => {
    for (const child of running) endGroup(child);
    if (process.listenerCount(signal) === 1) process.exit(128 + number);
  });
}

/** Runs to the end and answers `{ code, output, stdout }`; a missing program is a code of "not found". Does not throw. */
export function attempt(command, args, { cwd = ROOT, env = toolEnv(), input, log, onLine, echo = false } = {}) {
  return new Promise((resolve) => {
    const file = log ? openLog(log) : undefined;
    const child = spawn(command, args, { cwd, env, detached: true, stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"] });
    let output = "";
    let stdout = "";
    let rest = "";
    child.stdout.setEncoding("utf8").on("data", (chunk) => { stdout = (stdout + chunk).slice(-TAIL); });
    const take = (chunk) => {
      file?.write(chunk);
      if (echo) process.stdout.write(chunk);
      output = (output + chunk).slice(-TAIL);
      const lines = (rest + chunk).split(/\r?\n|\r/);
      rest = lines.pop();
      if (onLine) lines.forEach(onLine);
    };
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", take);
    if (input !== undefined) child.stdin.on("error", () => {}).end(input);
    running.add(child);
    const done = (code) => {
      running.delete(child);
      file?.end();
      resolve({ code, output, stdout });
    };
    child.once("error", (error) => done(error.code === "ENOENT" ? "not found" : error.message));
    child.once("close", (code, signal) => done(code ?? signal));
  });
}

/** Like `attempt`, but anything but a clean end throws `Failed`. Answers the output. */
export async function run(command, args, options = {}) {
  const { code, output } = await attempt(command, args, options);
  if (code !== 0) throw new Failed(`${command} ${args.slice(0, 3).join(" ")}`, code, output, options.log && logPath(options.log));
  return output;
}

/** Turns a tool's lines into a short word on how far it is, for `step`. */
export function compiling(progress) {
  let crates = 0;
  let files = 0;
  return (line) => {
    if (/^\s*(Compiling|Checking) /.test(line)) progress(`${(crates += 1)} crates compiled`);
    else if (/^\s*[✓❯×] .*\.test\.tsx? \(/.test(line)) progress(`${(files += 1)} files of tests done`);
    else if (/wasm-opt|Optimizing/i.test(line)) progress("optimizing");
  };
}

export const logPath = (name) => join(LOGS, `${name}.log`);

function openLog(name) {
  mkdirSync(LOGS, { recursive: true });
  return createWriteStream(logPath(name));
}
