// A Chromium for the browser tests: the machine's own, or Debian's package where we may install it.
// Always holds: the path of a program that exists, or undefined and a loud word on what to install; the tests then fail when CI=true.
// Absent: downloads from anywhere but the system's package archive.
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { plainEnv } from "./project.mjs";
import { attempt, run } from "./run.mjs";
import { step, warn } from "./terminal.mjs";

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const ELSEWHERE = ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium"];

export async function needChromium() {
  const found = process.env.BEHEST_CHROMIUM ?? find();
  if (found) return found;
  const apt = await aptCommand();
  if (apt) {
    try {
      await step("apt-get install chromium", async () => {
        const env = plainEnv({ DEBIAN_FRONTEND: "noninteractive" });
        const [program, ...words] = [...apt, "apt-get"];
        await run(program, [...words, "update"], { env, log: "apt" });
        await run(program, [...words, "install", "-y", "--no-install-recommends", "chromium"], { env, log: "apt" });
      }, "about a minute, once");
    } catch (error) {
      warn(error.message);
    }
  }
  const installed = find();
  if (!installed) warn("There is no Chromium: the browser tests cannot run. Install it (Debian: apt-get install chromium) or set BEHEST_CHROMIUM to its path.");
  return installed;
}

function find() {
  const onPath = (process.env.PATH ?? "").split(delimiter).flatMap((dir) => NAMES.map((name) => join(dir, name)));
  return [...onPath, ...ELSEWHERE].find(executable);
}

function executable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What stands before `apt-get`: nothing for root, sudo where it asks for no password; undefined where there is no way. */
async function aptCommand() {
  if (!existsSync("/usr/bin/apt-get")) return undefined;
  if (process.getuid?.() === 0) return [];
  return (await attempt("sudo", ["-n", "true"], { env: plainEnv() })).code === 0 ? ["sudo", "-n"] : undefined;
}
