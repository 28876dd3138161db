// Python packages for tests and benches, each set in a virtual environment of its own, each package pinned with its hash.
// Always holds: the path of a Python that has exactly those packages, or a Problem that names what is missing on this machine.
// Absent: the machine's own site-packages.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { aptInstall } from "./debian.mjs";
import { at, plainEnv, TOOLS } from "./project.mjs";
import { attempt, run } from "./run.mjs";
import { Problem, step } from "./terminal.mjs";

/** The clients that the tests drive. */
export const needPython = () => needPackages({ title: "Python clients", folder: "venv", requirements: at("tests", "requirements.txt"), expect: "about half a minute, once" });

/** The servers and test suites of others that the gateway is put against. */
export const needInterop = () => {
  const [requirements, sources] = ["requirements.txt", "sources.txt"].map((file) => at("tests", "interop", file));
  return needPackages({ title: "Other people's servers and tests", folder: "interop", requirements, sources, expect: "about a minute, once" });
};

/** The Python of the environment `.tools/<folder>`, made anew when its requirements have changed; the source distributions of `sources` lie unpacked in its `sources/`. */
export async function needPackages({ title, folder, requirements, sources, expect }) {
  const venv = join(TOOLS, folder);
  const python = join(venv, "bin", "python");
  const stamp = join(venv, "requirements.sha256");
  const lists = [requirements, sources].filter(Boolean);
  const wanted = lists.reduce((hash, list) => hash.update(readFileSync(list)), createHash("sha256")).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted && (await attempt(python, ["--version"])).code === 0) return python;
  await needVenvModule();
  await step(title, async () => {
    rmSync(venv, { recursive: true, force: true });
    await run("python3", ["-m", "venv", venv], { env: plainEnv(), log: folder });
    await run(python, ["-m", "pip", "install", "--require-hashes", "--no-input", "--disable-pip-version-check", "-r", requirements], { env: plainEnv(), log: `${folder}-pip` });
    if (sources) await unpack(python, sources, join(venv, "sources"), folder);
    writeFileSync(stamp, wanted);
  }, expect);
  return python;
}

/** pip reads a source distribution's metadata with its build backend, which is among the requirements: nothing unpinned is fetched for that. */
async function unpack(python, list, target, folder) {
  const flags = ["--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--require-hashes", "--no-input", "--disable-pip-version-check"];
  await run(python, ["-m", "pip", "download", ...flags, "-d", target, "-r", list], { env: plainEnv(), log: `${folder}-sources` });
  for (const archive of readdirSync(target).filter((file) => file.endsWith(".tar.gz"))) {
    await run(python, ["-W", "ignore", "-m", "tarfile", "-e", join(target, archive), target], { env: plainEnv() });
  }
}

/** Debian keeps what `python3 -m venv` needs in a package of its own. */
async function needVenvModule() {
  const probe = () => attempt("python3", ["-c", "import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))"], { env: plainEnv() });
  if ((await probe()).code === 0) return;
  await aptInstall("python3-venv");
  const { code, output } = await probe();
  if (code !== 0) throw new Problem(`The tests need Python 3.11 or newer with its venv module (Debian: apt-get install python3-venv).\n\n${output.trim()}`);
}
