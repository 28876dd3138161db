// `npm start`: from a fresh clone to a running gateway with a demo project, a key, two curl commands and a playground link.
// Options: --port N (or PORT), --ip ADDRESS, --state FOLDER (or BEHEST_STATE), --verbose.
// Always holds: Ctrl-C, TERM, a closed terminal or the end of `npm` ends everything; state survives in the state folder.
// Absent: anything a deployed gateway does differently, but that upstreams on private addresses are allowed.
import { chmodSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { build } from "./build.mjs";
import { demoProject } from "./demo.mjs";
import { ensureDevVars } from "./dev-vars.mjs";
import { at, ROOT } from "./project.mjs";
import { logEnd, needFreePort, startServer } from "./server.mjs";
import { setup } from "./setup.mjs";
import { bold, cyan, dim, duration, main, Problem, say, step } from "./terminal.mjs";

const HELP = `npm start [-- options]
  --port N         port to serve on (or PORT; 8787)
  --ip ADDRESS     address to serve on (127.0.0.1)
  --state FOLDER   where data is kept (or BEHEST_STATE; .behest/state)
  --verbose        show what wrangler and the Worker print`;

await main(async () => {
  const began = Date.now();
  const options = readOptions();
  if (options.help) return say(HELP);
  await needFreePort(options.ip, options.port);
  await setup();
  const { vars, made } = ensureDevVars();
  if (made.length > 0) say(dim(`  made .dev.vars with a random ${made.join(" and ")}`));
  await build();
  mkdirSync(options.stateDir, { recursive: true });
  chmodSync(options.stateDir, 0o700);
  await serve(options, vars, began);
});

async function serve(options, vars, began) {
  const { ip, port, stateDir, verbose } = options;
  const stopped = stopSignal();
  const server = await step("start the gateway", () => startServer({ ip, port, stateDir, verbose, vars: { ALLOW_PRIVATE_UPSTREAMS: 1 } }));
  try {
    const shown = ["127.0.0.1", "0.0.0.0"].includes(ip) ? "localhost" : ip;
    const origins = [...new Set([`http://${shown}:${port}`, `http://127.0.0.1:${port}`])];
    const reached = ip === "0.0.0.0" ? "127.0.0.1" : ip;
    const environment = { ...vars, ...process.env };
    const demo = await demoProject({ url: `http://${reached}:${port}`, adminToken: vars.BEHEST_ADMIN_TOKEN.split(",")[0].trim(), stateDir, vars: environment, origins });
    banner(origins[0], demo, options, Date.now() - began);
    const code = await Promise.race([stopped, server.ended]);
    if (code !== "stop") throw new Problem(`The gateway ended by itself (${code}). Its log (${server.logFile}) ends with:\n\n${logEnd(server.logFile)}`);
    say("\nStopping…");
  } finally {
    await server.stop();
  }
  process.exit(0);
}

function banner(url, { key, token, providers, first }, { stateDir }, took) {
  const auth = (credential) => `-H "authorization: Bearer ${credential}" -H "content-type: application/json"`;
  say(`
${bold("Behest is running")} ${dim(`(ready in ${duration(took)}; Ctrl-C ends it)`)}

  URL         ${cyan(url)}
  API key     ${key}   ${dim(first ? "project Demo, made just now" : "project Demo")}
  Answered by ${providers.length > 0 ? `${providers.join(", ")}; any other model name by demo` : "demo (built in; set OPENAI_API_KEY to use a real model)"}
  State       ${relative(ROOT, stateDir) || "."}

${bold("1. Mint a user's token")} ${dim("(your server does this)")}

TOKEN=$(curl -sS ${url}/v1/auth/mint ${auth(key)} -d '{"user_id":"demo-user"}' | sed -E 's/.*"access_token" *: *"([^"]+)".*/\\1/')

${bold("2. Stream a reply")} ${dim("(the browser does this)")}

curl -N ${url}/v1/chat/completions ${auth("$TOKEN")} -d '{"model":"default","stream":true,"messages":[{"role":"user","content":"Say hello"}]}'

${bold("Playground")}  ${cyan(`${url}/#token=${token}`)}
`);
}

/** Resolves to "stop" when the user, the system or the end of `npm` asks for it. */
function stopSignal() {
  return new Promise((done) => {
    const stop = () => done("stop");
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, stop);
    if (!process.env.npm_lifecycle_event) return;
    const before = npmAncestors();
    setInterval(() => { if (npmAncestors() !== before) stop(); }, 1_000).unref();
  });
}

/** Who started us under npm: our parent and, where npm puts a shell between (and the system tells), that shell's parent. */
function npmAncestors() {
  const status = `/proc/${process.ppid}/status`;
  if (!existsSync(status)) return String(process.ppid);
  const [, name, parent] = readFileSync(status, "utf8").match(/^Name:\s*(.*)$[^]*^PPid:\s*(\d+)$/m) ?? [];
  return /^(da|ba|z|k)?sh$/.test(name ?? "") ? `${process.ppid} ${parent}` : String(process.ppid);
}

function readOptions() {
  const text = { type: "string" };
  let values;
  try {
    ({ values } = parseArgs({ options: { port: text, ip: text, state: text, verbose: { type: "boolean" }, help: { type: "boolean" } } }));
  } catch (error) {
    throw new Problem(`${error.message}\n\n${HELP}`);
  }
  const port = Number(values.port ?? process.env.PORT ?? 8787);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Problem(`The port must be a number from 1 to 65535, not "${values.port ?? process.env.PORT}".`);
  const state = values.state ?? process.env.BEHEST_STATE;
  return { ...values, port, ip: values.ip ?? "127.0.0.1", stateDir: state ? resolve(state) : at(".behest", "state") };
}
