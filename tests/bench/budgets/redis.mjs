// A Redis on loopback, for the LiteLLM that refuses to guess: without one its strict mode refuses every request.
// Always holds: it is this machine's `redis-server`, else Debian's, unpacked into .tools without installing anything; nothing is kept on disk.
// Absent where there is neither: then need() answers undefined, and the bench says so.
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { TOOLS } from "../../../scripts/project.mjs";
import { attempt } from "../../../scripts/run.mjs";
import { step } from "../../../scripts/terminal.mjs";
import { freePort } from "../../support/port.ts";
import { Child } from "./child.mjs";

const PACKAGES = ["redis-server", "redis-tools", "liblzf1", "libjemalloc2"];
const FOLDER = join(TOOLS, "redis");
const UNPACKED = { program: join(FOLDER, "usr", "bin", "redis-check-rdb"), env: { LD_LIBRARY_PATH: libraries() } };

/** `{program, env, version}` of a Redis, or undefined. */
export async function need() {
  const own = await look({ program: "redis-server", env: {} });
  if (own) return own;
  if (!existsSync(UNPACKED.program)) await step("Redis from Debian", unpack).catch(() => {});
  UNPACKED.env.LD_LIBRARY_PATH = libraries();
  return look({ ...UNPACKED, program: join(FOLDER, "usr", "bin", "redis-server") });
}

async function look(redis) {
  const { code, output } = await attempt(redis.program, ["--version"], { env: { ...process.env, ...redis.env } });
  return code === 0 ? { ...redis, version: /v=(\S+)/.exec(output)?.[1] ?? "?" } : undefined;
}

async function unpack() {
  mkdirSync(FOLDER, { recursive: true });
  const ran = await attempt("apt-get", ["download", ...PACKAGES], { cwd: FOLDER, log: "redis" });
  if (ran.code !== 0) throw new Error(ran.output);
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith(".deb"))) await attempt("dpkg", ["-x", file, "."], { cwd: FOLDER });
}

/** Debian's folder of libraries has the machine's name in it. */
function libraries() {
  const lib = join(FOLDER, "usr", "lib");
  return existsSync(lib) ? readdirSync(lib).map((name) => join(lib, name)).join(":") : "";
}

/** Starts one; answers `{port, stop}`. */
export async function start({ program, env }, folder) {
  const port = await freePort();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder];
  const child = await Child.start({ program, args, env: { ...process.env, ...env }, cwd: folder, log: join(folder, "redis.log"), ready: () => accepts(port), within: 10_000 });
  return { port, stop: () => child.stop() };
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" }, () => { socket.destroy(); resolve(true); });
    socket.once("error", () => resolve(false));
  });
}
