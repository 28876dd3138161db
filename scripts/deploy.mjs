// `npm run deploy`: builds, makes what the account lacks (KV namespace, secrets), migrates, deploys, prints the URL and the next step.
// Options: --name NAME (behest), --dry-run (builds and bundles, needs no account).
// Always holds: may be run again at any time and after any failure (deployment.mjs); a secret made here is shown once on a terminal, and
// without one it is written to a 0600 file instead, so that no CI log holds it.
// Absent: `wrangler.toml` changes. The account's data is in the git-ignored wrangler.deploy.toml.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { parseArgs } from "node:util";
import { build } from "./build.mjs";
import { chooseAccount, deployConfig, deployedUrl, ensureNamespace, ensureSecrets } from "./deployment.mjs";
import { at, BIN, toolEnv } from "./project.mjs";
import { attempt, Failed, run } from "./run.mjs";
import { setup } from "./setup.mjs";
import { bold, cyan, dim, main, Problem, say, step } from "./terminal.mjs";

const WRANGLER = join(BIN, "wrangler");
const CONFIG = at("wrangler.deploy.toml");
const SECRETS_FILE = at(".behest", "deployed-secrets");

await main(async () => {
  const { values } = parseArgs({ options: { "dry-run": { type: "boolean" }, name: { type: "string" } } });
  const name = values.name ?? "behest";
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(name)) throw new Problem(`A Worker's name has small letters, digits and dashes, not "${name}".`);
  await setup();
  await build();
  if (values["dry-run"]) return dryRun();
  const account = await login();
  await deploy(name, account);
});

async function dryRun() {
  const outdir = mkdtempSync(join(tmpdir(), "behest-deploy-"));
  try {
    const output = await step("wrangler deploy --dry-run", () => run(WRANGLER, ["deploy", "--dry-run", "--outdir", outdir], { log: "deploy" }));
    if (!existsSync(join(outdir, "entry.js"))) throw new Problem(`wrangler bundled nothing:\n\n${output}`);
    say(dim(`  ${output.match(/Total Upload: .*/)?.[0] ?? `bundle ${statSync(join(outdir, "entry.js")).size} bytes`}`));
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

async function deploy(name, account) {
  const wrangler = (args, { input } = {}) => callWrangler(account, args, input);
  const namespace = await step("KV namespace", () => ensureNamespace(wrangler, `${name}-CONFIG`));
  writeFileSync(CONFIG, deployConfig(readFileSync(at("wrangler.toml"), "utf8"), { name, namespace: namespace.id }));
  const url = upload(account);
  const { stored, kept } = await ensureSecrets(wrangler, ["--config", CONFIG], obtainSecret);
  if (kept.length > 0) say(dim(`  kept as they are: ${kept.join(", ")}`));
  if (stored.length > 0) say(dim(`  stored: ${stored.join(", ")}`));
  farewell(url ?? `https://${name}.<your-subdomain>.workers.dev`);
}

/** The account's id, after `wrangler login` where somebody can answer it. */
async function login() {
  let { code, stdout } = await attempt(WRANGLER, ["whoami", "--json"]);
  if (code !== 0 && process.stdin.isTTY && !process.env.CLOUDFLARE_API_TOKEN) {
    say("You are not logged in to Cloudflare; `wrangler login` opens the browser.");
    interactive(["login"], {});
    ({ code, stdout } = await attempt(WRANGLER, ["whoami", "--json"]));
  }
  const who = code === 0 ? JSON.parse(stdout.slice(stdout.indexOf("{"))) : {};
  if (code !== 0 && !(process.env.CLOUDFLARE_API_TOKEN && process.env.CLOUDFLARE_ACCOUNT_ID)) {
    throw new Problem("Not logged in to Cloudflare. Run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN (and CLOUDFLARE_ACCOUNT_ID).");
  }
  return chooseAccount(who.accounts ?? [], process.env.CLOUDFLARE_ACCOUNT_ID);
}

async function callWrangler(account, args, input) {
  const { code, output, stdout } = await attempt(WRANGLER, args, { input, env: toolEnv({ CLOUDFLARE_ACCOUNT_ID: account }), log: "deploy" });
  if (code !== 0) throw new Failed(`wrangler ${args.slice(0, 3).join(" ")}`, code, output);
  return stdout;
}

/** Uploads and migrates with wrangler's own questions (a first workers.dev subdomain), answers the URL. */
function upload(account) {
  const folder = mkdtempSync(join(tmpdir(), "behest-deploy-"));
  const records = join(folder, "records");
  try {
    interactive(["deploy", "--config", CONFIG], { CLOUDFLARE_ACCOUNT_ID: account, WRANGLER_OUTPUT_FILE_PATH: records });
    return existsSync(records) ? deployedUrl(readFileSync(records, "utf8")) : undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function interactive(args, env) {
  const { status, signal } = spawnSync(WRANGLER, args, { cwd: at(), env: toolEnv(env), stdio: "inherit" });
  if (status !== 0) throw new Problem(`wrangler ${args[0]} failed (${status ?? signal}). Mend what it says above and run the same command again.`);
}

/** A secret from the environment, from whoever sits there, or a random one that is told once. */
async function obtainSecret({ name, what, make }) {
  if (process.env[name]) return process.env[name];
  const typed = process.stdin.isTTY ? await askHidden(`${bold(name)} (${what}). Paste one, or press Enter for a random one: `) : "";
  if (typed) return typed;
  const value = make();
  if (process.stdout.isTTY) {
    say(`\n  ${bold(name)}=${value}\n  ${dim("Shown this once. Keep it in a password manager.")}\n`);
  } else {
    mkdirSync(at(".behest"), { recursive: true });
    writeFileSync(SECRETS_FILE, `${name}="${value}"\n`, { flag: "a", mode: 0o600 });
    say(`  made a random ${name}; it is in ${SECRETS_FILE} and nowhere else`);
  }
  return value;
}

async function askHidden(question) {
  process.stdout.write(question);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  lines.on("SIGINT", () => process.exit(130));
  const answer = await lines.question("");
  lines.close();
  say();
  return answer.trim();
}

function farewell(url) {
  say(`
${bold("Deployed")}  ${cyan(url)}

${bold("Next: a project")} ${dim("(then its provider, then a key: see the README)")}

curl -sS ${url}/v1/projects -H "authorization: Bearer $BEHEST_ADMIN_TOKEN" -H "content-type: application/json" -d '{"name":"My app","slug":"my-app"}'
`);
}
