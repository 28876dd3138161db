// The Python clients of the tests, in a virtual environment of their own, each package pinned with its hash (tests/requirements.txt).
// Always holds: the path of a Python that has exactly those packages, or a Problem that names what is missing on this machine.
// Absent: the machine's own site-packages.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { aptInstall } from "./debian.mjs";
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
  await needVenvModule();
  await step("Python clients", async () => {
    rmSync(VENV, { recursive: true, force: true });
    await run("python3", ["-m", "venv", VENV], { env: plainEnv(), log: "venv" });
    await run(PYTHON, ["-m", "pip", "install", "--require-hashes", "--no-input", "--disable-pip-version-check", "-r", REQUIREMENTS], { env: plainEnv(), log: "pip" });
    writeFileSync(stamp, wanted);
  }, "about half a minute, once");
  return PYTHON;
}

/** Debian keeps what `python3 -m venv` needs in a package of its own. */
async function needVenvModule() {
  const probe = () => attempt("python3", ["-c", "import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))"], { env: plainEnv() });
  if ((await probe()).code === 0) return;
  await aptInstall("python3-venv");
  const { code, output } = await probe();
  if (code !== 0) throw new Problem(`The tests need Python 3.11 or newer with its venv module (Debian: apt-get install python3-venv).\n\n${output.trim()}`);
}
