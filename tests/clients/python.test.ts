// The Python clients, newest openai, behest-ai 1.5.0b1 and PyJWT, unmodified: runs tests/clients/python with pytest against this gateway.
// Always holds: a missing virtual environment is said loudly, and fails where CI=true; a run that skips a test is a failure.
// Absent: what the clients do; that is in the Python files.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, it } from "vitest";
import { ADMIN_TOKEN } from "../support/gateway.ts";
import { model } from "../support/model.ts";
import { Project } from "../support/project.ts";
import { register } from "../support/signing.ts";
import { Upstream } from "../support/upstream.ts";
import { base64Of, vectorOf } from "../support/vectors.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const python = process.env.BEHEST_PYTHON ?? join(process.env.BEHEST_VENV ?? join(root, ".tools", "venv"), "bin", "python");
let scene: object;

beforeAll(async () => {
  const upstream = await Upstream.start(model);
  const project = (settings: object) => Project.create({ settings, providers: { main: upstream.url } });
  const [main, tight, poor] = [await project({}), await project({ limits: { user_rpm: 1 } }), await project({ limits: { user_tokens_per_day: 1 } })];
  const short = await project({ limits: { user_tokens_per_day: 200 } });
  const made = await register(main, { generate: true });
  scene = {
    signing: { key: made.behest_key, pem: made.private_key, kid: made.kid, tenant: "tnt_default", project: main.id },
    short_key: short.key, short_token: await short.token("python"),
    base: main.base, admin: ADMIN_TOKEN, key: main.key, tight_key: tight.key, poor_key: poor.key,
    vectors: ["one", "zwei"].map((text) => base64Of(vectorOf(text))),
    token: await main.token("python"), tight_token: await tight.token("python"), poor_token: await poor.token("python"),
  };
});

it.for(["test_openai.py", "test_behest.py", "test_behest_signing.py", "test_pyjwt.py"])("%s", { timeout: 120_000 }, async (file, { skip }) => {
  if (!existsSync(python)) {
    const message = `NO PYTHON CLIENTS: ${python} is missing. \`npm test\` makes it; BEHEST_VENV names another.`;
    if (process.env.CI === "true") throw new Error(message);
    console.warn(`\n*** ${message} ${file} is NOT TESTED ***\n`);
    skip(message);
  }
  const { code, output } = await pytest(file);
  if (code !== 0) throw new Error(`pytest ended with ${code}\n${output}`);
  expect(output).toMatch(/\b\d+ passed\b/);
  expect(output).not.toMatch(/skipped|deselected|xfailed/);
});

function pytest(file: string): Promise<{ code: number; output: string }> {
  const folder = fileURLToPath(new URL("python", import.meta.url));
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, BEHEST_SCENE: JSON.stringify(scene), PYTHONDONTWRITEBYTECODE: "1" };
  return new Promise((resolve) => {
    execFile(python, ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore::DeprecationWarning", join(folder, file)], { env, timeout: 110_000, killSignal: "SIGKILL" }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? 1) || 1 : 0, output: stdout + stderr });
    });
  });
}
