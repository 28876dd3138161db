// `npm start` as a newcomer meets it: what it prints works when pasted, state survives, nothing outlives it, no secret shows.
// Needs the build (npm test makes it first). Each test uses its own port and state folder or the one shared by the first group.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort, isFree } from "../../tests/support/port.ts";
import { at } from "../project.mjs";

const START_MS = 90_000;
const state = mkdtempSync(join(tmpdir(), "behest-start-"));
const children = new Set();
after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(state, { recursive: true, force: true, maxRetries: 10, retryDelay: 300 });
});

/** Whatever provider keys this machine has must not decide what the tests see. */
const NO_KEYS = Object.fromEntries(["OPENAI", "ANTHROPIC", "GEMINI", "GROQ", "MISTRAL"].map((name) => [`${name}_API_KEY`, ""]));

async function start(port, env = {}) {
  const child = spawn(process.execPath, [at("scripts", "start.mjs"), "--port", String(port), "--state", state], { env: { ...process.env, ...NO_KEYS, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  const gateway = { child, output: "", ended: new Promise((resolve) => child.once("close", (code, signal) => resolve(code ?? signal))) };
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => { gateway.output += text; });
  const deadline = Date.now() + START_MS;
  while (!gateway.output.includes("Playground") && child.exitCode === null && Date.now() < deadline) await sleep(50);
  return gateway;
}

async function started(port, env) {
  const gateway = await start(port, env);
  assert.match(gateway.output, /Playground/, gateway.output);
  return gateway;
}

/** Ended means that the next one may have the port, not only that nobody answers. */
async function untilFree(port) {
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline) {
    if (await isFree(port)) return;
    await sleep(100);
  }
  assert.fail("the gateway still has its port");
}

const port = await freePort();
const keyOf = ({ output }) => output.match(/behest_sk_live_[0-9a-f]{32}/)?.[0];

test("first run: the two commands work when pasted, the link carries a token and no key", async () => {
  const gateway = await started(port);
  const lines = gateway.output.split("\n");
  const commands = lines.filter((line) => line.startsWith("TOKEN=") || line.startsWith("curl -N"));
  assert.equal(commands.length, 2, gateway.output);
  const pasted = spawnSync("bash", ["-c", commands.join("\n")], { encoding: "utf8", timeout: 60_000 });
  assert.match(pasted.stdout, /^data: \{.*"chat\.completion\.chunk"/m, pasted.stdout + pasted.stderr);
  assert.match(pasted.stdout, /^data: \[DONE\]$/m);

  const link = new URL(gateway.output.match(/Playground\s+(\S+)/)[1]);
  const token = link.hash.match(/^#token=([\w-]+\.[\w-]+\.[\w-]+)$/)?.[1];
  assert.ok(token, link.href);
  const claims = JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
  assert.equal(claims.uid, "demo-user");
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json", "x-thread-id": "survivor" };
  const chat = await fetch(`${link.origin}/v1/chat/completions`, { method: "POST", headers, body: JSON.stringify({ messages: [{ role: "user", content: "Remember me" }] }) });
  assert.equal(chat.status, 200, await chat.text());
  assert.equal(statSync(join(state, "demo.json")).mode & 0o777, 0o600);

  const second = await start(port);
  assert.equal(await second.ended, 1);
  assert.match(second.output, new RegExp(`Port ${port} is in use.*--port ${port + 1}`));

  gateway.child.kill("SIGTERM");
  assert.equal(await gateway.ended, 0);
  await untilFree(port);
});

test("second run: the same key, the thread still there, in seconds; a killed parent takes the gateway with it", async () => {
  const before = JSON.parse(readFileSync(join(state, "demo.json"), "utf8"));
  const began = Date.now();
  const gateway = await started(port);
  assert.ok(Date.now() - began < 20_000, `took ${Date.now() - began} ms`);
  assert.equal(keyOf(gateway), before.key);
  assert.doesNotMatch(gateway.output, /made just now/);
  const token = gateway.output.match(/#token=(\S+)/)[1];
  const threads = await fetch(`http://127.0.0.1:${port}/v1/threads`, { headers: { authorization: `Bearer ${token}` } });
  assert.deepEqual((await threads.json()).map(({ id }) => id), ["survivor"]);
  gateway.child.kill("SIGKILL");
  await gateway.ended;
  await untilFree(port);
});

test("a provider key in the environment is put to use, and shows nowhere", async () => {
  const secret = "sk-test-5fb0c4a1d2e3-only-in-this-test";
  const gateway = await started(port, { OPENAI_API_KEY: secret, OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1` });
  assert.match(gateway.output, /Answered by openai/);
  assert.ok(!gateway.output.includes(secret), "printed");
  if (existsSync("/proc")) {
    const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    const lines = processes.map((pid) => { try { return readFileSync(`/proc/${pid}/cmdline`, "utf8"); } catch { return ""; } });
    assert.ok(!lines.some((line) => line.includes(secret)), "on a command line");
  }
  gateway.child.kill("SIGTERM");
  await gateway.ended;
  for (const path of filesOf(state)) assert.ok(!readFileSync(path).includes(secret), `in clear in ${path}`);
});

test("a state folder whose secrets have changed gets a new key, not an error", async () => {
  const old = JSON.parse(readFileSync(join(state, "demo.json"), "utf8"));
  writeFileSync(join(state, "demo.json"), JSON.stringify({ ...old, key: `behest_sk_live_${"0".repeat(32)}` }));
  const gateway = await started(port);
  const now = JSON.parse(readFileSync(join(state, "demo.json"), "utf8"));
  assert.equal(now.project, old.project);
  assert.notEqual(keyOf(gateway), `behest_sk_live_${"0".repeat(32)}`);
  gateway.child.kill("SIGINT");
  assert.equal(await gateway.ended, 0);
  await untilFree(port);
});

for (const [args, complaint] of [[["--port", "abc"], /port must be a number.*"abc"/], [["--port", "70000"], /port must be a number/], [["--frobnicate"], /frobnicate/]]) {
  test(`npm start -- ${args.join(" ")} is refused`, () => {
    const { status, stderr } = spawnSync(process.execPath, [at("scripts", "start.mjs"), ...args], { encoding: "utf8", timeout: 60_000 });
    assert.equal(status, 1);
    assert.match(stderr, complaint);
    assert.doesNotMatch(stderr, /\n\s+at /);
  });
}

function filesOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
