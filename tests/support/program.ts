// Other people's programs as children: servers on a free loopback port, and programs that run to their end.
// Always holds: serve() resolves once the server answers, or rejects with the end of its output; each is a process group of its own, which
// ends with the test file; nothing else is ended.
// Absent: what is in them.
import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll } from "vitest";
import { projectRoot } from "./missing.ts";
import { freePort } from "./port.ts";

const TAIL = 200_000;

export interface Ended {
  code: number | string;
  stdout: string;
  output: string;
}

interface Options {
  env?: Record<string, string | undefined>;
  cwd?: string;
}

const running = new Set<ChildProcess>();
const endGroup = (child: ChildProcess) => { try { process.kill(-child.pid!, "SIGKILL"); } catch { /* already gone */ } };
const endAll = () => running.forEach(endGroup);
process.once("exit", endAll);
afterAll(endAll);

function launch(command: string, args: string[], { env, cwd }: Options): { child: ChildProcess; said: Ended; ended: Promise<Ended> } {
  const child = spawn(command, args, { cwd: cwd ?? projectRoot, detached: true, stdio: ["ignore", "pipe", "pipe"], env: { PATH: process.env.PATH, HOME: process.env.HOME, NO_COLOR: "1", ...env } });
  running.add(child);
  const said: Ended = { code: "running", stdout: "", output: "" };
  child.stdout!.setEncoding("utf8").on("data", (text) => { said.stdout = (said.stdout + text).slice(-TAIL); });
  for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding("utf8").on("data", (text) => { said.output = (said.output + text).slice(-TAIL); });
  const ended = new Promise<Ended>((resolve) => {
    const end = (code: number | string) => {
      running.delete(child);
      said.code = code;
      resolve(said);
    };
    child.once("error", (error) => end(error.message));
    child.once("close", (code, signal) => end(code ?? signal ?? "ended"));
  });
  return { child, said, ended };
}

/** Runs a program to its end, at most `ms`. */
export async function run(command: string, args: string[], options: Options & { ms: number }): Promise<Ended> {
  const { child, ended } = launch(command, args, options);
  const timer = setTimeout(() => endGroup(child), options.ms);
  try {
    return await ended;
  } finally {
    clearTimeout(timer);
  }
}

/** Starts a server whose `health` path is asked until it answers 200; the port is put into its arguments. Answers its origin. */
export async function serve(command: string, args: (port: number) => string[], health: string, options: Options & { ms: number }): Promise<string> {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const { child, said } = launch(command, args(port), options);
  const deadline = Date.now() + options.ms;
  while (said.code === "running" && Date.now() < deadline) {
    const up = await fetch(origin + health, { signal: AbortSignal.timeout(2_000) }).then((answer) => answer.arrayBuffer().then(() => answer.ok)).catch(() => false);
    if (up) return origin;
    await sleep(50);
  }
  endGroup(child);
  throw new Error(`${command} did not answer within ${options.ms} ms (${said.code}). Its output ends with:\n${said.output.slice(-4_000)}`);
}
