// The demo project of a local gateway: made on first run through the admin API, remembered in the state folder (demo.json, 0600).
// Always holds: a project that still works is used again; one whose key the gateway no longer knows gets a new key; provider keys travel
// in request bodies only and are never printed.
// Absent: starting the gateway (start.mjs).
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Problem, warn } from "./terminal.mjs";

const PROJECT = { name: "Demo", slug: "demo" };
const USER = "demo-user";
const TOKEN_SECONDS = 86_400;
const CALL_MS = 20_000;

/** What the demo project is made with; the gateway's own origins are added to `allowed_origins`. */
const SETTINGS = {
  default_model: "demo-1",
  allowed_origins: ["http://localhost:3000", "http://localhost:5173", "http://127.0.0.1:3000", "http://127.0.0.1:5173"],
  limits: { project_rpm: 600, user_rpm: 60 },
};

/** Which environment variable puts which provider to use; the first one found gives the project its default model. */
const PROVIDERS = [
  { variable: "OPENAI_API_KEY", name: "openai", kind: "openai", base: "OPENAI_BASE_URL", model: "gpt-5-mini" },
  { variable: "ANTHROPIC_API_KEY", name: "anthropic", kind: "anthropic", base: "ANTHROPIC_BASE_URL", model: "claude-haiku-4-5" },
  { variable: "GEMINI_API_KEY", name: "gemini", kind: "gemini", model: "gemini-2.5-flash" },
  { variable: "GROQ_API_KEY", name: "groq", kind: "openai-compatible", url: "https://api.groq.com/openai/v1", model: "llama-3.3-70b-versatile" },
  { variable: "MISTRAL_API_KEY", name: "mistral", kind: "openai-compatible", url: "https://api.mistral.ai/v1", model: "mistral-small-latest" },
];

/** Answers `{ project, key, token, providers }`; `origins` are where the gateway's own pages are served. */
export async function demoProject({ url, adminToken, stateDir, vars, origins }) {
  const admin = (method, path, body, tolerated) => call(url, adminToken, method, path, body, tolerated);
  const file = join(stateDir, "demo.json");
  let demo = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
  let token = demo && (await mint(url, demo.key));
  const first = !token;
  if (first) {
    demo = await create(admin, origins);
    token = await mint(url, demo.key);
    if (!token) throw new Problem("The gateway does not accept the API key it has just made.");
  }
  const providers = await putProviders(admin, demo, vars);
  await allowOrigins(admin, demo.project, origins);
  writeFileSync(file, `${JSON.stringify(demo, null, 2)}\n`, { mode: 0o600 });
  return { project: demo.project, key: demo.key, token, providers, first };
}

async function create(admin, origins) {
  const known = await admin("GET", "/v1/projects");
  const project = known.data.find((entry) => entry.slug === PROJECT.slug)?.id ?? (await admin("POST", "/v1/projects", PROJECT)).id;
  await admin("PUT", `/v1/projects/${project}/settings`, { ...SETTINGS, allowed_origins: [...origins, ...SETTINGS.allowed_origins] });
  await admin("PUT", `/v1/projects/${project}/providers/demo`, { kind: "demo" });
  const { key } = await admin("POST", `/v1/projects/${project}/keys`, { name: "demo" });
  return { project, key, providers: [] };
}

/** Puts every provider key that is in `vars` to use; answers a line about each. */
async function putProviders(admin, demo, vars) {
  const lines = [];
  for (const { variable, name, kind, base, url, model } of PROVIDERS) {
    if (!vars[variable]) continue;
    const base_url = (base && vars[base]) || url;
    const answer = await admin("PUT", `/v1/projects/${demo.project}/providers/${name}`, { kind, api_key: vars[variable], ...(base_url && { base_url }) }, [400]);
    if (answer.error) {
      warn(`${variable} is set, but the gateway does not support ${name} yet: ${answer.error.message}`);
      continue;
    }
    if (!demo.providers.includes(name)) {
      if (demo.providers.length === 0) await admin("PUT", `/v1/projects/${demo.project}/settings`, { default_model: model });
      demo.providers.push(name);
    }
    lines.push(`${name} (from ${variable})`);
  }
  return lines;
}

/** The port may be another than last time. */
async function allowOrigins(admin, project, origins) {
  const { allowed_origins: allowed = [] } = await admin("GET", `/v1/projects/${project}/settings`);
  const lacking = origins.filter((origin) => !allowed.includes(origin));
  if (lacking.length > 0) await admin("PUT", `/v1/projects/${project}/settings`, { allowed_origins: [...allowed, ...lacking] });
}

/** A token for the demo user, or nothing if the gateway does not know the key (its state or master key is another). */
async function mint(url, key) {
  const answer = await call(url, key, "POST", "/v1/auth/mint", { user_id: USER, ttl: TOKEN_SECONDS }, [401, 403, 404]);
  return answer.access_token;
}

async function call(url, token, method, path, body, tolerated = []) {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(CALL_MS),
  });
  const text = await response.text();
  const answer = text.startsWith("{") ? JSON.parse(text) : {};
  if (response.ok) return answer;
  if (tolerated.includes(response.status)) return { error: { message: `HTTP ${response.status}` }, ...answer };
  throw new Problem(`${method} ${path} answered ${response.status}: ${answer.error?.message ?? text.slice(0, 200)}`);
}
