// Python packages for tests and benches, each set in a virtual environment of its own, each package pinned with its hash.
// Always holds: the path of a Python that has exactly those packages, or a Problem that names what is missing on this machine.
// Absent: the machine's own site-packages.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { aptInstall } from "./debian.mjs";
import { at, plainEnv, TOOLS } from "./project.mjs";
import { attempt, run } from "./run.mjs";
import { Problem, step } from "./terminal.mjs";

/** The clients that the tests drive. */
export const needPython = () => needPackages({ title: "Python clients", folder: "venv", requirements: at("tests", "requirements.txt"), expect: "about half a minute, once" });

/** The Python of the environment `.tools/<folder>`, made anew when its requirements have changed. */
export async function needPackages({ title, folder, requirements, expect }) {
  const venv = join(TOOLS, folder);
  const python = join(venv, "bin", "python");
  const stamp = join(venv, "requirements.sha256");
  const wanted = createHash("sha256").update(readFileSync(requirements)).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted && (await attempt(python, ["--version"])).code === 0) return python;
  await needVenvModule();
  await step(title, async () => {
    rmSync(venv, { recursive: true, force: true });
    await run("python3", ["-m", "venv", venv], { env: plainEnv(), log: folder });
    await run(python, ["-m", "pip", "install", "--require-hashes", "--no-input", "--disable-pip-version-check", "-r", requirements], { env: plainEnv(), log: `${folder}-pip` });
    writeFileSync(stamp, wanted);
  }, expect);
  return python;
}

/** Debian keeps what `python3 -m venv` needs in a package of its own. */
async function needVenvModule() {
  const probe = () => attempt("python3", ["-c", "import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))"], { env: plainEnv() });
  if ((await probe()).code === 0) return;
  await aptInstall("python3-venv");
  const { code, output } = await probe();
  if (code !== 0) throw new Problem(`The tests need Python 3.11 or newer with its venv module (Debian: apt-get install python3-venv).\n\n${output.trim()}`);
}
