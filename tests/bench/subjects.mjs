// The three subjects, each in a workerd of its own, ready for chat: the pass-through, the gateway without its objects, the gateway.
// Always holds: the same requests go to all three (same bodies, same headers); they come from many users in turn, as in life, so that one
// user's object is not the bottleneck of all and no user's last minute is absurdly full.
// Absent: measuring.
import { randomBytes } from "node:crypto";
import { post } from "./http.mjs";
import { GATEWAY, PASSTHROUGH, Workerd } from "./workerd.mjs";

const USERS = 64;
const CHAT = "/v1/chat/completions";
const PROVIDER_KEY = "sk-bench-provider-0001";
const FAR_AWAY = { project_rpm: 1_000_000_000, user_rpm: 1_000_000_000, user_tokens_per_day: 9_000_000_000_000_000 };
const MESSAGES = [
  { role: "system", content: "You are a helpful assistant of a shop for garden tools. Answer in two sentences and never promise a delivery date." },
  { role: "user", content: "Which spade should I buy for heavy clay, and is it worth paying more for a stainless blade?" },
];

/** Dialects that are translated, beside OpenAI's, which passes as it is. */
const DIALECTS = { anthropic: "anthropic/claude-sonnet-4-5", gemini: "gemini/gemini-2.5-flash" };

/** The gateway once more for each other dialect. They say the number of events, which is `seed` elsewhere, as the most tokens: Anthropic has no seed. */
export function inDialects(gateway) {
  return Object.entries(DIALECTS).map(([key, model]) => ({
    ...gateway, key,
    requests: ({ seed, ...more }, options) => gateway.requests({ model, ...more, ...(seed !== undefined && { max_tokens: seed }) }, options),
  }));
}

/** @param upstream the fake provider's base URL */
export async function startAll(upstream) {
  const admin = randomBytes(24).toString("hex");
  const gatewayVars = { BEHEST_ADMIN_TOKEN: admin, BEHEST_MASTER_KEY: randomBytes(32).toString("base64"), IP_RPM: 0, ALLOW_PRIVATE_UPSTREAMS: 1 };
  const subjects = [
    { key: "passthrough", title: "pass-through", worker: PASSTHROUGH, vars: { UPSTREAM: upstream, PROVIDER_KEY } },
    { key: "unmetered", title: "gateway without objects", worker: GATEWAY, vars: { ...gatewayVars, BEHEST_UNMETERED: 1 } },
    { key: "gateway", title: "gateway", worker: GATEWAY, vars: gatewayVars },
  ];
  try {
    for (const subject of subjects) {
      subject.workerd = await Workerd.start(subject.worker, subject.vars);
      const tokens = subject.worker === GATEWAY ? await setUp(subject.workerd.port, admin, upstream) : Array.from({ length: USERS }, () => "none");
      subject.requests = (more, { users = USERS, headers = () => ({}) } = {}) => tokens.slice(0, users).map((token, user) => chat(token, more, headers(user)));
    }
  } catch (error) {
    await stopAll(subjects);
    throw error;
  }
  return subjects;
}

export async function stopAll(subjects) {
  await Promise.all(subjects.map((subject) => subject.workerd?.stop()));
}

function chat(token, more, headers) {
  return post(CHAT, { authorization: `Bearer ${token}`, origin: "https://shop.example", accept: "application/json", ...headers }, { model: "bench-model", messages: MESSAGES, temperature: 0.7, ...more });
}

/** A project with limits far away and the fake provider; a token for each user. */
async function setUp(port, admin, upstream) {
  const call = async (method, path, token, body) => {
    const answer = await fetch(`http://127.0.0.1:${port}/v1${path}`, { method, headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }, body: JSON.stringify(body), signal: AbortSignal.timeout(20_000) });
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${await answer.text()}`);
    return answer.json();
  };
  const { id } = await call("POST", "/projects", admin, { name: "bench" });
  await call("PUT", `/projects/${id}/settings`, admin, { default_model: "bench-model", limits: FAR_AWAY });
  await call("PUT", `/projects/${id}/providers/main`, admin, { kind: "openai-compatible", api_key: PROVIDER_KEY, base_url: upstream, models: ["bench-model"] });
  for (const kind of Object.keys(DIALECTS)) await call("PUT", `/projects/${id}/providers/${kind}`, admin, { kind, api_key: PROVIDER_KEY, base_url: upstream });
  const { key } = await call("POST", `/projects/${id}/keys`, admin, { name: "bench" });
  const tokens = [];
  for (let user = 0; user < USERS; user += 1) tokens.push((await call("POST", "/auth/mint", key, { user_id: `user-${user}`, ttl: 3600 })).access_token);
  return tokens;
}
