// `npm run build`: the Worker (Rust → Wasm → build/index.js, beside it src/edge/entry.js, which stands before it) and the playground (www → www/dist).
// Always holds: a half is rebuilt only when one of its inputs has changed (content, not time); worker-build is told where each of its
// helpers is, so it never downloads one.
// Absent: serving, secrets, tests.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { at, BIN, lockedVersion, ROOT, toolEnv, TOOLS } from "./project.mjs";
import { attempt, compiling, run } from "./run.mjs";
import { findCargoTool, setup } from "./setup.mjs";
import { dim, main, Problem, say, step } from "./terminal.mjs";

const WASM = at("build", "index_bg.wasm");
const ENTRY = at("build", "entry.js");
/** worker-build's own list: rustc's defaults and what wasm-bindgen's catch wrappers need; nothing newer than workerd knows. */
const WASM_FEATURES = ["mutable-globals", "sign-ext", "nontrapping-float-to-int", "bulk-memory", "multivalue", "reference-types", "exception-handling"].map((name) => `--enable-${name}`);
const SKIPPED = new Set(["dist", "node_modules"]);

/** Both halves; answers whether anything had to be built. */
export async function build() {
  const worker = await half("worker", ["src", "Cargo.toml", "Cargo.lock", "scripts/build.mjs"], await rustVersion(), ENTRY, buildWorker);
  const www = await half("www", ["www", "package-lock.json"], "", at("www", "dist", "index.html"), buildWww);
  if (worker || www) say(dim(`  Wasm ${sizes(WASM)}`));
  return worker || www;
}

async function half(name, inputs, extra, product, work) {
  const stamp = join(TOOLS, `built-${name}`);
  const now = fingerprint(inputs, extra);
  if (existsSync(product) && existsSync(stamp) && readFileSync(stamp, "utf8") === now) return false;
  rmSync(stamp, { force: true });
  await work();
  if (!existsSync(product)) throw new Problem(`The build of ${name} ended well but left no ${relative(ROOT, product)}.`);
  mkdirSync(TOOLS, { recursive: true });
  writeFileSync(stamp, now);
  return true;
}

async function buildWorker() {
  const env = toolEnv({
    WASM_BINDGEN_BIN: await tool("wasm-bindgen", lockedVersion("wasm-bindgen")),
    WASM_OPT_BIN: npmTool("wasm-opt"),
    ESBUILD_BIN: npmTool("esbuild"),
  });
  const builder = await tool("worker-build", lockedVersion("worker"));
  await step("build the Worker", (progress) => run(builder, ["--release"], { env, log: "build-worker", onLine: compiling(progress) }), "the first time about 2 minutes");
  await step("leave the names out of the Wasm", () => run(npmTool("wasm-opt"), ["--strip-debug", ...WASM_FEATURES, WASM, "-o", WASM], { env, log: "strip-worker" }));
  copyFileSync(at("src", "edge", "entry.js"), ENTRY);
}

async function buildWww() {
  await step("build the playground", () => run(join(BIN, "vite"), ["build"], { cwd: at("www"), log: "build-www" }));
}

async function tool(name, version) {
  const path = await findCargoTool(name, version);
  if (!path) throw new Problem(`${name} ${version} is missing. Run: npm run build`);
  return path;
}

function npmTool(name) {
  const link = join(BIN, name);
  if (!existsSync(link)) throw new Problem(`${name} is missing from node_modules. Run: npm ci`);
  return realpathSync(link);
}

async function rustVersion() {
  return (await attempt("rustc", ["--version"])).output.trim();
}

function fingerprint(inputs, extra) {
  const hash = createHash("sha256").update(extra);
  for (const path of inputs.flatMap((input) => files(at(input))).sort()) hash.update(`\0${relative(ROOT, path)}\0`).update(readFileSync(path));
  return hash.digest("hex");
}

function files(path) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).filter((name) => !SKIPPED.has(name)).flatMap((name) => files(join(path, name)));
}

function sizes(path) {
  const bytes = readFileSync(path);
  return `${(bytes.length / 1024).toFixed(0)} KiB, gzipped ${(gzipSync(bytes).length / 1024).toFixed(0)} KiB`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  await main(async () => {
    await setup();
    if (!(await build())) say("Nothing has changed since the last build.");
  });
}
