// What a test needs and may lack: the data of `../shared`, and programs that `npm test` sets up.
// Always holds: what is missing is said loudly. Without `../shared` a test passes; anything else that is missing fails where CI=true.
// Absent: looking for it anywhere else.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const projectRoot = fileURLToPath(new URL("../..", import.meta.url));
export const SHARED = join(projectRoot, "..", "shared");
/** The Python environment of other people's servers and tests (scripts/python.mjs). */
export const INTEROP = join(projectRoot, ".tools", "interop");

/** Is this part of `../shared` here? */
export function shared(...path: string[]): string | undefined {
  const place = join(SHARED, ...path);
  if (existsSync(place)) return place;
  console.warn(`\n*** ../shared/${path.join("/")} IS MISSING: what needs it is NOT TESTED ***\n`);
  return undefined;
}

/** Is this program here? */
export function installed(path: string): boolean {
  if (existsSync(path)) return true;
  const message = `${path} IS MISSING (\`npm test\` makes it): what needs it is NOT TESTED`;
  if (process.env.CI === "true") throw new Error(message);
  console.warn(`\n*** ${message} ***\n`);
  return false;
}
