// `.dev.vars`: the secrets of a local gateway, which wrangler reads by itself.
// Always holds: a value that is there is kept (a new master key would make stored provider keys unreadable); missing ones are random
// and appended; the file is its owner's alone (0600) and git-ignored.
// Absent: printing any value.
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { at } from "./project.mjs";

export const newAdminToken = () => `behest_admin_${randomBytes(32).toString("hex")}`;
export const newMasterKey = () => randomBytes(32).toString("base64");

const MADE = { BEHEST_ADMIN_TOKEN: newAdminToken, BEHEST_MASTER_KEY: newMasterKey };
const FILE = at(".dev.vars");

/** All variables of `.dev.vars`, after adding the secrets it lacks; `made` names those. */
export function ensureDevVars(file = FILE) {
  let text = existsSync(file) ? readFileSync(file, "utf8") : "# Secrets of this machine's gateway. Never committed. Add e.g. OPENAI_API_KEY here to use a real model.\n";
  const vars = parse(text);
  const made = Object.keys(MADE).filter((name) => !vars[name]);
  for (const name of made) {
    vars[name] = MADE[name]();
    if (!text.endsWith("\n")) text += "\n";
    text += `${name}="${vars[name]}"\n`;
  }
  if (made.length > 0) writeFileSync(file, text, { mode: 0o600 });
  chmodSync(file, 0o600);
  return { vars, made };
}

/** NAME=value lines; quotes and `export` as dotenv has them. */
export function parse(text) {
  const vars = {};
  for (const line of text.split(/\r?\n/)) {
    const found = line.match(/^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*=\s*(.*?)\s*$/);
    if (!found) continue;
    const quoted = found[2].match(/^(["'`])(.*)\1(?:\s+#.*)?$/);
    vars[found[1]] = quoted ? quoted[2] : found[2].replace(/\s+#.*$/, "");
  }
  return vars;
}
