// The steps of a deployment, each re-runnable: the KV namespace, the configuration with its id, the secrets.
// Always holds: an existing namespace is used again and an existing secret is never replaced (a new master key would make every stored
// provider key unreadable); a list that cannot be read is a failure, never "there is none"; secrets go to wrangler through stdin.
// Absent: the terminal and real programs. `wrangler(args, { input })` answers what wrangler printed to stdout, or throws.
import { createHash } from "node:crypto";
import { newAdminToken, newMasterKey } from "./dev-vars.mjs";
import { Problem } from "./terminal.mjs";

/** What a deployed gateway cannot do without, and how each is made. */
export const SECRETS = [
  { name: "BEHEST_ADMIN_TOKEN", what: "opens the admin routes", make: newAdminToken },
  { name: "BEHEST_MASTER_KEY", what: "32 bytes in base64; encrypts provider keys, signs tokens; if it is lost, so are they", make: newMasterKey },
];

/** The id of the KV namespace `title`, made if the account has none of that name. */
export async function ensureNamespace(wrangler, title) {
  const find = async () => parseList(await wrangler(["kv", "namespace", "list"]), "KV namespaces").find((entry) => entry.title === title)?.id;
  const existing = await find();
  if (existing) return { id: existing, made: false };
  await wrangler(["kv", "namespace", "create", title, "--update-config=false"]);
  const id = await find();
  if (!id) throw new Problem(`The KV namespace ${title} was made but is not in the account's list. Run the same command again in a minute.`);
  return { id, made: true };
}

/**
 * wrangler.toml with the account's namespace id and the Worker's name filled in, and with IP_RPM as the limit of the platform's limiter.
 * That has a namespace too, which Workers of an account share if their numbers are the same: the number is made of the name.
 */
export function deployConfig(toml, { name, namespace }) {
  const ipRpm = toml.match(/^IP_RPM = "(\d+)"$/m)?.[1];
  if (ipRpm === undefined) throw new Problem('wrangler.toml has no line IP_RPM = "120", a whole number');
  const limiter = createHash("sha256").update(name).digest().readUInt32BE() >>> 1;
  const edits = [
    [/^name = .*$/m, `name = "${name}"`],
    [/^binding = "CONFIG"$/m, `binding = "CONFIG"\nid = "${namespace}"`],
    [/^IP_LIMIT_RPM = "\d+"$/m, `IP_LIMIT_RPM = "${ipRpm}"`],
    [/^namespace_id = "\d+"$/m, `namespace_id = "${limiter}"`],
    // A limiter's limit is at least one; where IP_RPM is 0 it is not asked.
    [/^simple = \{ limit = \d+,/m, `simple = { limit = ${Math.max(Number(ipRpm), 1)},`],
  ];
  let config = `# Made by \`npm run deploy\` from wrangler.toml; not for editing.\n${toml}`;
  for (const [line, edited] of edits) {
    if (!line.test(config)) throw new Problem(`wrangler.toml has no line like ${line}`);
    config = config.replace(line, edited);
  }
  return config;
}

/** Stores each secret the Worker lacks; `obtain(secret)` gives its value. Answers the names stored and kept. */
export async function ensureSecrets(wrangler, target, obtain) {
  const existing = new Set(parseList(await wrangler(["secret", "list", "--format", "json", ...target]), "secrets").map((entry) => entry.name));
  const stored = [];
  for (const secret of SECRETS) {
    if (existing.has(secret.name)) continue;
    await wrangler(["secret", "put", secret.name, ...target], { input: await obtain(secret) });
    stored.push(secret.name);
  }
  return { stored, kept: SECRETS.map(({ name }) => name).filter((name) => existing.has(name)) };
}

/** The one account to deploy to, from `wrangler whoami --json`. */
export function chooseAccount(accounts, wanted) {
  const known = accounts.map(({ id, name }) => `  ${id}  ${name}`).join("\n");
  if (wanted) {
    // A token may be allowed to deploy without being allowed to list accounts.
    if (accounts.length > 0 && !accounts.some(({ id }) => id === wanted)) throw new Problem(`CLOUDFLARE_ACCOUNT_ID=${wanted} is none of this login's accounts:\n${known}`);
    return wanted;
  }
  if (accounts.length === 1) return accounts[0].id;
  throw new Problem(accounts.length === 0 ? "Set CLOUDFLARE_ACCOUNT_ID: this login does not say which account it is for." : `This login has several accounts. Set CLOUDFLARE_ACCOUNT_ID to one of:\n${known}`);
}

/** The https address among what wrangler's output file tells of a deployment. */
export function deployedUrl(records) {
  const targets = records.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line)).flatMap((record) => (record.type === "deploy" ? (record.targets ?? []) : []));
  const target = targets.find((entry) => entry.includes("workers.dev")) ?? targets[0];
  return target && (target.startsWith("http") ? target : `https://${target.split(" ")[0].replace(/\/\*?$/, "")}`);
}

function parseList(text, what) {
  let list;
  try {
    list = JSON.parse(text.slice(text.indexOf("[")));
  } catch {
    list = undefined;
  }
  if (!Array.isArray(list)) throw new Problem(`wrangler's list of ${what} could not be read:\n\n${text.slice(0, 500)}`);
  return list;
}
