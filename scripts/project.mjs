// Where things are in this project, which versions of the outside tools it needs, and the environment its tools run in.
// Always holds: node_modules/.bin comes first on a tool's PATH, so `node` there is the pinned one (npm package node-<platform>),
// while this code itself must run on Node 20 with nothing installed yet; versions are read from Cargo.lock, never repeated.
// Absent: effects. Nothing here writes or starts anything.
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url)).replace(/[/\\]$/, "");
export const BIN = join(ROOT, "node_modules", ".bin");
export const TOOLS = join(ROOT, ".tools");
export const LOGS = join(ROOT, ".behest", "logs");
export const WASM_TARGET = "wasm32-unknown-unknown";

export const at = (...parts) => join(ROOT, ...parts);

/** The version of `crate` that Cargo.lock holds. */
export function lockedVersion(crate) {
  const lock = readFileSync(at("Cargo.lock"), "utf8");
  const found = lock.match(new RegExp(`^name = "${crate}"\\nversion = "([^"]+)"`, "m"));
  if (!found) throw new Error(`Cargo.lock has no package "${crate}"`);
  return found[1];
}

/** The lowest Rust version that Cargo.toml allows. */
export function lowestRust() {
  return readFileSync(at("Cargo.toml"), "utf8").match(/^rust-version = "([^"]+)"/m)?.[1] ?? "1.85";
}

/** The environment of tools that must not see node_modules/.bin: npm itself (it deletes that folder) and cargo install. */
export function plainEnv(extra = {}) {
  const path = (process.env.PATH ?? "").split(delimiter).filter((dir) => dir !== "" && !dir.endsWith(join("node_modules", ".bin")));
  return { ...process.env, PATH: path.join(delimiter), ...extra };
}

/** The environment of everything else: pinned node first, our cargo tools next, no telemetry, no look-ups for updates. */
export function toolEnv(extra = {}) {
  const env = plainEnv();
  return {
    ...env,
    PATH: [BIN, join(TOOLS, "bin"), env.PATH].join(delimiter),
    WRANGLER_SEND_METRICS: "false",
    WRANGLER_SEND_ERROR_REPORTS: "false",
    WRANGLER_HIDE_BANNER: "true",
    DO_NOT_TRACK: "1",
    CARGO_TERM_COLOR: "never",
    ...extra,
  };
}

/** -1, 0 or 1, by the numbers of two dotted versions. */
export function compareVersions(a, b) {
  const [x, y] = [a, b].map((version) => version.split(/[.\-+]/).map((part) => Number.parseInt(part, 10) || 0));
  for (let i = 0; i < 3; i += 1) {
    if ((x[i] ?? 0) !== (y[i] ?? 0)) return (x[i] ?? 0) < (y[i] ?? 0) ? -1 : 1;
  }
  return 0;
}
