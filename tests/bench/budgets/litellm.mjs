// LiteLLM's proxy as a subject: one process, its own way of counting budgets per key, at its most exact without a database.
// Always holds: keys come from its documented hook (auth.py) with all its checks on, so it reserves before it sends; no retries, no telemetry,
// prices from the table in its package, nothing asked of the network but the fake provider.
// Absent: virtual keys in Postgres. Its database client, Prisma, needs a binary from binaries.prisma.sh, which is no package registry.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { at } from "../../../scripts/project.mjs";
import { needPackages } from "../../../scripts/python.mjs";
import { freePort } from "../../support/port.ts";
import { Child } from "./child.mjs";
import * as redis from "./redis.mjs";

const HERE = at("tests", "bench", "budgets");
const REQUIREMENTS = join(HERE, "requirements.txt");
const START_MS = 120_000;
const REQUEST_S = 60;

export const VERSION = /^litellm==(\S+)/m.exec(readFileSync(REQUIREMENTS, "utf8"))[1];
export const needLiteLLM = () => needPackages({ title: `LiteLLM ${VERSION}`, folder: "litellm", requirements: REQUIREMENTS, expect: "one to three minutes, once" });

/** @param strict with Redis and `fail_closed_budget_enforcement` @param urls the provider's base URL by account */
export async function start({ key, title, python, strict, urls }) {
  const folder = mkdtempSync(join(tmpdir(), "behest-litellm-"));
  const store = strict && await redis.start(strict, folder);
  try {
    writeFileSync(join(folder, "config.yaml"), JSON.stringify(config(urls, store)));
    writeFileSync(join(folder, "bench_auth.py"), readFileSync(join(HERE, "auth.py")));
    const port = await freePort();
    const child = await Child.start({
      program: join(dirname(python), "litellm"), args: ["--config", "config.yaml", "--host", "127.0.0.1", "--port", String(port), "--num_workers", "1"],
      env: environment(folder), cwd: folder, log: join(folder, "litellm.log"), within: START_MS,
      ready: () => fetch(`http://127.0.0.1:${port}/health/liveliness`, { signal: AbortSignal.timeout(2_000) }).then((answer) => answer.ok, () => false),
    });
    const stop = async () => { await child.stop(); await store?.stop(); rmSync(folder, { recursive: true, force: true }); };
    return { key, title, stop, open: (account, limits) => clients(port, account, limits) };
  } catch (error) {
    await store?.stop();
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** A key holds the limit, whether one user's or the whole project's; users of a project are its key's end users. */
function clients(port, account, { usd = 0, rpm = 0, users }) {
  return Array.from({ length: users }, (_, n) => ({
    url: `http://127.0.0.1:${port}/v1/chat/completions`,
    token: `sk-${account}_${usd}_${rpm}`,
    more: { model: account, user: `user-${n}` },
  }));
}

/** JSON is YAML. */
function config(urls, store) {
  return {
    model_list: Object.entries(urls).map(([account, api_base]) => ({ model_name: account, litellm_params: { model: "openai/gpt-4o", api_key: "sk-bench", api_base, max_retries: 0 } })),
    litellm_settings: {
      telemetry: false, num_retries: 0, request_timeout: REQUEST_S,
      ...(store && { cache: true, cache_params: { type: "redis", host: "127.0.0.1", port: store.port, supported_call_types: [] } }),
    },
    router_settings: store ? { redis_host: "127.0.0.1", redis_port: store.port, disable_cooldowns: true } : { disable_cooldowns: true },
    general_settings: { master_key: "sk-bench-master", custom_auth: "bench_auth.user_api_key_auth", custom_auth_run_common_checks: true, ...(store && { fail_closed_budget_enforcement: true }) },
  };
}

function environment(folder) {
  return { PATH: process.env.PATH, HOME: folder, PYTHONPATH: folder, PYTHONUNBUFFERED: "1", LITELLM_LOCAL_MODEL_COST_MAP: "True", LITELLM_LOG: "ERROR" };
}
