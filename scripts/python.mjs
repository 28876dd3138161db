// The Python clients of the tests, in a virtual environment of their own, each package pinned with its hash (tests/requirements.txt).
// Always holds: the path of a Python that has exactly those packages, or a Problem that names what is missing on this machine.
// Absent: the machine's own site-packages.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { at, plainEnv, TOOLS } from "./project.mjs";
import { attempt, run } from "./run.mjs";
import { Problem, step } from "./terminal.mjs";

const VENV = join(TOOLS, "venv");
const PYTHON = join(VENV, "bin", "python");
const REQUIREMENTS = at("tests", "requirements.txt");

export async function needPython() {
  const stamp = join(VENV, "requirements.sha256");
  const wanted = createHash("sha256").update(readFileSync(REQUIREMENTS)).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted && (await attempt(PYTHON, ["--version"])).code === 0) return PYTHON;
  await step("Python clients", async () => {
    rmSync(VENV, { recursive: true, force: true });
    await makeVenv();
    await run(PYTHON, ["-m", "pip", "install", "--require-hashes", "--no-input", "--disable-pip-version-check", "-r", REQUIREMENTS], { env: plainEnv(), log: "pip" });
    writeFileSync(stamp, wanted);
  }, "about half a minute, once");
  return PYTHON;
}

async function makeVenv() {
  const { code, output } = await attempt("python3", ["-m", "venv", VENV], { env: plainEnv(), log: "venv" });
  if (code === "not found") throw new Problem("Python 3.11 or newer is needed for the tests (Debian: apt-get install python3 python3-venv).");
  if (code !== 0) {
    const hint = /ensurepip|venv/i.test(output) ? " Debian keeps that module in a package of its own: apt-get install python3-venv" : "";
    throw new Problem(`python3 -m venv failed.${hint}\n\n${output.trim()}`);
  }
}
