// A deployment against an account that is a few lists in memory: what is made once, what is never replaced, what stops it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { chooseAccount, deployConfig, deployedUrl, ensureNamespace, ensureSecrets } from "../deployment.mjs";
import { at } from "../project.mjs";

/** A wrangler with an account: answers lists, remembers what it was asked to make and every command line. */
function account({ namespaces = [], secrets = {}, broken } = {}) {
  const lines = [];
  const wrangler = async (args, { input } = {}) => {
    const line = args.join(" ");
    lines.push(line);
    if (broken && line.startsWith(broken.command)) return broken.answer;
    if (line === "kv namespace list") return JSON.stringify(namespaces);
    if (line.startsWith("kv namespace create")) namespaces.push({ id: `id-of-${args[3]}`, title: args[3] });
    else if (line.startsWith("secret list")) return `banner\n${JSON.stringify(Object.keys(secrets).map((name) => ({ name, type: "secret_text" })))}`;
    else if (line.startsWith("secret put")) secrets[args[2]] = input;
    else assert.fail(`unexpected: wrangler ${line}`);
    return "";
  };
  return { wrangler, namespaces, secrets, lines };
}

test("the namespace is made once and then used again", async () => {
  const { wrangler, namespaces } = account({ namespaces: [{ id: "other", title: "someone-elses" }] });
  assert.deepEqual(await ensureNamespace(wrangler, "behest-CONFIG"), { id: "id-of-behest-CONFIG", made: true });
  assert.deepEqual(await ensureNamespace(wrangler, "behest-CONFIG"), { id: "id-of-behest-CONFIG", made: false });
  assert.equal(namespaces.length, 2);
});

test("missing secrets are stored through stdin, existing ones never touched", async () => {
  const { wrangler, secrets, lines } = account({ secrets: { BEHEST_MASTER_KEY: "old" } });
  const asked = [];
  const obtain = async ({ name, make }) => {
    asked.push(name);
    return make();
  };
  assert.deepEqual(await ensureSecrets(wrangler, ["--name", "w"], obtain), { stored: ["BEHEST_ADMIN_TOKEN"], kept: ["BEHEST_MASTER_KEY"] });
  assert.deepEqual(asked, ["BEHEST_ADMIN_TOKEN"]);
  assert.equal(secrets.BEHEST_MASTER_KEY, "old");
  assert.match(secrets.BEHEST_ADMIN_TOKEN, /^behest_admin_[0-9a-f]{64}$/);
  assert.ok(!lines.some((line) => line.includes(secrets.BEHEST_ADMIN_TOKEN)), "a secret on a command line");
  assert.deepEqual(await ensureSecrets(wrangler, ["--name", "w"], obtain), { stored: [], kept: ["BEHEST_ADMIN_TOKEN", "BEHEST_MASTER_KEY"] });
  assert.equal(asked.length, 1);
});

for (const answer of ["", "an error page", "{}"]) {
  test(`an unreadable list (${JSON.stringify(answer)}) stops everything`, async () => {
    const secrets = account({ broken: { command: "secret list", answer } });
    await assert.rejects(ensureSecrets(secrets.wrangler, [], () => assert.fail("asked for a secret")), /could not be read/);
    assert.deepEqual(secrets.secrets, {});
    const namespaces = account({ broken: { command: "kv namespace list", answer } });
    await assert.rejects(ensureNamespace(namespaces.wrangler, "t"), /could not be read/);
    assert.deepEqual(namespaces.namespaces, []);
  });
}

test("the configuration names the Worker and its namespaces and differs in nothing else", () => {
  const toml = readFileSync(at("wrangler.toml"), "utf8");
  const made = deployConfig(toml, { name: "mine", namespace: "abc123" });
  assert.match(made, /^name = "mine"$/m);
  assert.match(made, /^binding = "CONFIG"\nid = "abc123"$/m);
  const limiter = (name) => Number(deployConfig(toml, { name, namespace: "x" }).match(/^namespace_id = "(\d+)"$/m)[1]);
  assert.ok(limiter("mine") > 0 && limiter("mine") < 2 ** 31 && limiter("mine") !== limiter("yours"));
  const lines = made.split("\n").slice(1).filter((line) => line !== 'id = "abc123"').join("\n");
  const back = lines.replace('name = "mine"', 'name = "behest"').replace(`"${limiter("mine")}"`, '"1001"');
  assert.equal(back.replace('IP_LIMIT_RPM = "120"', 'IP_LIMIT_RPM = "0"'), toml);
  assert.throws(() => deployConfig("name = 1", { name: "a", namespace: "b" }), /no line IP_RPM/);
  assert.throws(() => deployConfig('name = 1\nIP_RPM = "1"', { name: "a", namespace: "b" }), /no line like .*CONFIG/);
});

/** What IP_RPM is → the limiter's limit, and what the Worker is told of it. */
for (const [rpm, limit] of [[120, 120], [30, 30], [6000, 6000], [0, 1]]) {
  test(`IP_RPM ${rpm} is the limiter's limit`, () => {
    const toml = readFileSync(at("wrangler.toml"), "utf8").replace('IP_RPM = "120"', `IP_RPM = "${rpm}"`);
    const made = deployConfig(toml, { name: "mine", namespace: "abc123" });
    assert.match(made, new RegExp(`^simple = \\{ limit = ${limit}, period = 60 \\}$`, "m"));
    assert.match(made, new RegExp(`^IP_RPM = "${rpm}"$[^]*^IP_LIMIT_RPM = "${rpm}"$`, "m"));
  });
}

const [one, two] = [{ id: "a1", name: "One" }, { id: "a2", name: "Two" }];
test("the account", () => {
  assert.equal(chooseAccount([one]), "a1");
  assert.equal(chooseAccount([one, two], "a2"), "a2");
  assert.equal(chooseAccount([], "a9"), "a9");
  assert.throws(() => chooseAccount([one, two]), /CLOUDFLARE_ACCOUNT_ID[^]*a2 {2}Two/);
  assert.throws(() => chooseAccount([one], "a2"), /none of this login/);
  assert.throws(() => chooseAccount([]), /CLOUDFLARE_ACCOUNT_ID/);
});

const RECORDS = [
  ['{"type":"wrangler-session"}\n{"type":"deploy","targets":["https://behest.me.workers.dev"]}\n', "https://behest.me.workers.dev"],
  ['{"type":"deploy","targets":["api.example.com/*","behest.me.workers.dev"]}', "https://behest.me.workers.dev"],
  ['{"type":"deploy","targets":["api.example.com (custom domain)"]}', "https://api.example.com"],
  ['{"type":"deploy"}', undefined],
  ["", undefined],
];
for (const [records, url] of RECORDS) test(`the URL in ${JSON.stringify(records)}`, () => assert.equal(deployedUrl(records), url));
