// Everything a fresh clone lacks: npm packages, the wasm32 target, worker-build and wasm-bindgen, all inside this folder but the target.
// Always holds: what is there in the right version is left alone (a second run does nothing and takes no time); each tool has the
// version Cargo.lock implies; nothing is fetched from anywhere but the npm, crates.io and rustup registries.
// Absent: `.dev.vars` (start.mjs makes it) and the tests' own needs (chromium.mjs, python.mjs).
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { at, compareVersions, lockedVersion, lowestRust, plainEnv, toolEnv, TOOLS, WASM_TARGET } from "./project.mjs";
import { attempt, compiling, Failed, run } from "./run.mjs";
import { main, Problem, step } from "./terminal.mjs";

const LOWEST_NODE = "22.12.0";
/** The tools run for seconds and are compiled for minutes: little optimization takes the least time in all. */
const QUICK_BUILD = { CARGO_PROFILE_RELEASE_OPT_LEVEL: "1", CARGO_PROFILE_RELEASE_LTO: "off", CARGO_PROFILE_RELEASE_DEBUG: "0" };

export async function setup() {
  await needRust();
  await needPackages();
  await needWasmTarget();
  await needCargoTool("worker-build", lockedVersion("worker"), "about 3 minutes on 2 cores, once");
  await needCargoTool("wasm-bindgen", lockedVersion("wasm-bindgen"), "about 2 minutes on 2 cores, once", "wasm-bindgen-cli");
  rmSync(join(TOOLS, "target"), { recursive: true, force: true });
}

/** rustfmt and clippy: rustup's minimal profile leaves them out. */
export async function needRustComponents() {
  for (const [component, probe] of [["rustfmt", "fmt"], ["clippy", "clippy"]]) {
    if ((await attempt("cargo", [probe, "--version"])).code === 0) continue;
    await step(`rustup component add ${component}`, () => run("rustup", ["component", "add", component], { log: "rustup" }));
  }
}

async function needRust() {
  const { code, output } = await attempt("rustc", ["--version"]);
  if (code !== 0) throw new Problem("Rust is not installed (there is no `rustc`). Install it from https://rustup.rs and try again.");
  const version = output.match(/rustc (\S+)/)?.[1] ?? "0";
  if (compareVersions(version, lowestRust()) < 0) {
    throw new Problem(`Rust ${lowestRust()} or newer is needed, this is ${version}. Run: rustup update stable`);
  }
}

async function needPackages() {
  const stamp = at("node_modules", ".behest-lock");
  const lock = createHash("sha256").update(readFileSync(at("package-lock.json"))).digest("hex");
  if (existsSync(stamp) ? readFileSync(stamp, "utf8") !== lock : !installedByHand()) {
    // NODE_ENV=production or a strict engine in someone's npm settings must not leave half of the tools out.
    const flags = ["--include=dev", "--include=optional", "--engine-strict=false", "--no-audit", "--no-fund", "--loglevel=error"];
    await step("npm ci", () => run("npm", ["ci", ...flags], { env: plainEnv(), log: "npm" }), "about 20 seconds");
  }
  writeFileSync(stamp, lock);
  await needNode();
}

/** Did somebody run `npm ci` after the lock file last changed? */
function installedByHand() {
  const installed = at("node_modules", ".package-lock.json");
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(at("package-lock.json")).mtimeMs;
}

async function needNode() {
  const version = (await attempt("node", ["--version"])).output.trim().replace(/^v/, "");
  if (compareVersions(version, LOWEST_NODE) >= 0) return;
  throw new Problem(`The tools need Node ${LOWEST_NODE} or newer, this is ${version}, and npm has no pinned one for this platform. Install a newer Node and try again.`);
}

async function needWasmTarget() {
  const { output } = await attempt("rustc", ["--print", "target-libdir", "--target", WASM_TARGET]);
  if (existsSync(output.trim())) return;
  await step(`rustup target add ${WASM_TARGET}`, async () => {
    const { code, output: said } = await attempt("rustup", ["target", "add", WASM_TARGET], { log: "rustup" });
    if (code === "not found") {
      throw new Problem(`This Rust has no ${WASM_TARGET} target and no rustup to add it. Install Rust from https://rustup.rs, or your distribution's package for that target.`);
    }
    if (code !== 0) {
      throw new Problem(`rustup could not add the ${WASM_TARGET} target (is the network reachable?). Try by hand: rustup target add ${WASM_TARGET}\n\n${said.trim()}`);
    }
  });
}

async function needCargoTool(tool, version, expect, crate = tool) {
  if (await findCargoTool(tool, version)) return;
  await step(`cargo install ${crate} ${version}`, async (progress) => {
    mkdirSync(TOOLS, { recursive: true });
    const args = ["install", crate, "--version", version, "--bin", tool, "--root", TOOLS, "--target-dir", join(TOOLS, "target"), "--force"];
    const options = { cwd: TOOLS, env: plainEnv(QUICK_BUILD), log: `install-${tool}`, onLine: compiling(progress) };
    try {
      await run("cargo", [...args, "--locked"], options);
    } catch (error) {
      // A mirror that lags lacks a version of the tool's own lock file; its manifest still decides then.
      if (!(error instanceof Failed) || !error.output.includes("failed to select a version")) throw error;
      await run("cargo", args, options);
    }
  }, expect);
}

/** The path of `tool` in exactly `version`: ours, or one the machine has already. */
export async function findCargoTool(tool, version) {
  const places = [join(TOOLS, "bin", tool), join(process.env.CARGO_HOME ?? join(homedir(), ".cargo"), "bin", tool)];
  for (const path of places) {
    if (!existsSync(path)) continue;
    const { code, output } = await attempt(path, ["--version"], { env: toolEnv() });
    if (code === 0 && output.trim().split(/\s+/).pop() === version) return path;
  }
  return undefined;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main(setup);
