// A local gateway as a child: `wrangler dev` on this machine only, without login, telemetry or questions.
// Always holds: `startServer` resolves once /healthz answers, or rejects with the end of the log; the child ends with us (guard.mjs).
// Secrets reach it through `.dev.vars`, never through its command line.
// Absent: what is served to whom (demo.mjs), what is printed (start.mjs).
import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { at, BIN, ROOT, toolEnv } from "./project.mjs";
import { Problem } from "./terminal.mjs";

const HEALTHY_WITHIN_MS = 60_000;

/** Throws a `Problem` when something listens there already. */
export async function needFreePort(ip, port) {
  await new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (error) => reject(portProblem(error, ip, port)));
    probe.listen({ host: ip, port, exclusive: true }, () => probe.close(resolve));
  });
}

function portProblem(error, ip, port) {
  if (error.code === "EADDRINUSE") return new Problem(`Port ${port} is in use. Choose another one: npm start -- --port ${port + 1}   (or PORT=${port + 1} npm start)`);
  if (error.code === "EACCES") return new Problem(`This user may not listen on port ${port}. Choose one above 1023: npm start -- --port 8787`);
  return new Problem(`Cannot listen on ${ip}:${port}: ${error.message}`);
}

/** Answers `{ ended, stop }`: a promise of the exit code, and an orderly end. */
export async function startServer({ ip, port, stateDir, vars, verbose }) {
  mkdirSync(stateDir, { recursive: true });
  const logFile = join(stateDir, "gateway.log");
  const args = ["dev", "--ip", ip, "--port", String(port), "--inspector-port", "0", "--persist-to", stateDir, "--show-interactive-dev-session=false"];
  for (const [name, value] of Object.entries(vars)) args.push("--var", `${name}:${value}`);
  const env = toolEnv({
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
    WRANGLER_LOG_PATH: join(stateDir, "wrangler-logs"),
    WRANGLER_REGISTRY_PATH: join(stateDir, "registry"),
    NO_COLOR: "1",
  });
  const child = spawn(join(BIN, "node"), [at("scripts", "guard.mjs"), join(BIN, "wrangler"), ...args], { cwd: ROOT, env, detached: true, stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => {});
  const log = createWriteStream(logFile, { mode: 0o600 });
  for (const stream of [child.stdout, child.stderr]) {
    stream.pipe(log, { end: false });
    if (verbose) stream.pipe(process.stdout, { end: false });
  }
  const ended = new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code ?? signal));
  });
  const stop = () => {
    child.stdin.end();
    return ended;
  };
  await untilHealthy(`http://${ip === "0.0.0.0" ? "127.0.0.1" : ip}:${port}`, ended, stop, logFile);
  return { ended, stop, logFile };
}

async function untilHealthy(url, ended, stop, logFile) {
  let gone = false;
  ended.then(() => { gone = true; });
  const deadline = Date.now() + HEALTHY_WITHIN_MS;
  while (!gone && Date.now() < deadline) {
    const answer = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(5_000) }).catch(() => undefined);
    await answer?.arrayBuffer().catch(() => undefined);
    if (answer?.ok) return;
    await sleep(100);
  }
  await stop();
  throw new Problem(`The gateway ${gone ? "ended while starting" : `gave no healthy answer within ${HEALTHY_WITHIN_MS / 1000} s`}. Its log (${logFile}) ends with:\n\n${logEnd(logFile)}`);
}

export const logEnd = (file) => readFileSync(file, "utf8").trimEnd().split("\n").slice(-40).join("\n");
