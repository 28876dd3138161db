// A Chromium for the browser tests: the machine's own, or Debian's package where we may install it.
// Always holds: the path of a program that exists, or undefined and a loud word on what to install; the tests then fail when CI=true.
// Absent: downloads from anywhere but the system's package archive.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { aptInstall } from "./debian.mjs";
import { warn } from "./terminal.mjs";

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const ELSEWHERE = ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium"];

export async function needChromium() {
  const found = process.env.BEHEST_CHROMIUM ?? find();
  if (found) return found;
  await aptInstall("chromium", "about a minute, once");
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
