// `.dev.vars`: what is made, what is kept, who may read it.
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ensureDevVars, parse } from "../dev-vars.mjs";

const folder = mkdtempSync(join(tmpdir(), "behest-dev-vars-"));
const file = join(folder, ".dev.vars");
after(() => rmSync(folder, { recursive: true }));

test("a missing file is made with both secrets, for its owner alone", () => {
  const { vars, made } = ensureDevVars(file);
  assert.deepEqual(made, ["BEHEST_ADMIN_TOKEN", "BEHEST_MASTER_KEY"]);
  assert.match(vars.BEHEST_ADMIN_TOKEN, /^behest_admin_[0-9a-f]{64}$/);
  assert.equal(Buffer.from(vars.BEHEST_MASTER_KEY, "base64").length, 32);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(parse(readFileSync(file, "utf8")), vars);
});

test("what is there stays to the byte", () => {
  const before = readFileSync(file, "utf8");
  assert.deepEqual(ensureDevVars(file).made, []);
  assert.equal(readFileSync(file, "utf8"), before);
});

test("a missing or empty secret is appended, the rest kept, an open mode closed", () => {
  const mine = "OPENAI_API_KEY='sk-mine' # note\nBEHEST_ADMIN_TOKEN=mine\nBEHEST_MASTER_KEY=";
  writeFileSync(file, mine);
  chmodSync(file, 0o644);
  const { vars, made } = ensureDevVars(file);
  assert.deepEqual(made, ["BEHEST_MASTER_KEY"]);
  assert.equal(vars.BEHEST_ADMIN_TOKEN, "mine");
  assert.equal(vars.OPENAI_API_KEY, "sk-mine");
  assert.ok(readFileSync(file, "utf8").startsWith(`${mine}\nBEHEST_MASTER_KEY="`));
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

const LINES = [
  ["A=b", { A: "b" }],
  ["export A=b", { A: "b" }],
  ["A = b ", { A: "b" }],
  ['A="b c" # d', { A: "b c" }],
  ["A='x=y'", { A: "x=y" }],
  ["A=b # c", { A: "b" }],
  ["A=b#c", { A: "b#c" }],
  ["# A=b", {}],
  ["", {}],
  ["A=1\r\nA=2", { A: "2" }],
];
for (const [text, vars] of LINES) test(`parse ${JSON.stringify(text)}`, () => assert.deepEqual(parse(text), vars));
