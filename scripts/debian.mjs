// Installs packages of the system's own archive, where this is Debian or alike and we may: as root, or with a sudo that asks nothing.
// Always holds: answers whether it did; a refusal or a failure is an answer too, for the caller to explain.
// Absent: the choice of packages.
import { existsSync } from "node:fs";
import { plainEnv } from "./project.mjs";
import { attempt, run } from "./run.mjs";
import { step, warn } from "./terminal.mjs";

export async function aptInstall(name, expect) {
  const before = await rights();
  if (!before) return false;
  const env = plainEnv({ DEBIAN_FRONTEND: "noninteractive" });
  const [program, ...words] = [...before, "apt-get"];
  try {
    await step(`apt-get install ${name}`, async () => {
      await run(program, [...words, "update"], { env, log: "apt" });
      await run(program, [...words, "install", "-y", "--no-install-recommends", name], { env, log: "apt" });
    }, expect);
    return true;
  } catch (error) {
    warn(error.message);
    return false;
  }
}

/** What stands before `apt-get`: nothing for root, sudo where it asks for no password; undefined where there is no way. */
async function rights() {
  if (!existsSync("/usr/bin/apt-get")) return undefined;
  if (process.getuid?.() === 0) return [];
  return (await attempt("sudo", ["-n", "true"], { env: plainEnv() })).code === 0 ? ["sudo", "-n"] : undefined;
}
