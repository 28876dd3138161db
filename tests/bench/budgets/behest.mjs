// Behest as a subject: the built Worker on a workerd of its own, a project for each account.
// Always holds: only the limit that is measured can refuse; everything else is far away. Limits are set as an owner sets them, over HTTP.
// Absent: measuring.
import { randomBytes } from "node:crypto";
import { GATEWAY, Workerd } from "../workerd.mjs";

const FAR = { project_rpm: 1_000_000, user_rpm: 1_000_000, user_concurrency: 10_000, user_tokens_per_day: 1_000_000_000 };

export async function start({ key, title, urls }) {
  const admin = randomBytes(24).toString("hex");
  const vars = { BEHEST_ADMIN_TOKEN: admin, BEHEST_MASTER_KEY: randomBytes(32).toString("base64"), IP_RPM: 0, ALLOW_PRIVATE_UPSTREAMS: 1 };
  const workerd = await Workerd.start(GATEWAY, vars);
  return { key, title, stop: () => workerd.stop(), open: (account, limits) => clients(`http://127.0.0.1:${workerd.port}`, admin, urls[account], account, limits) };
}

async function clients(base, admin, url, account, { usd, rpm, users, wholeProject = false }) {
  const call = async (method, path, token, body) => {
    const answer = await fetch(`${base}/v1${path}`, { method, headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }, body: JSON.stringify(body), signal: AbortSignal.timeout(20_000) });
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${await answer.text()}`);
    return answer.json();
  };
  const whose = wholeProject ? "project" : "user";
  const limits = { ...FAR, ...(usd && { [`${whose}_usd_per_day`]: usd }), ...(rpm && { [`${whose}_rpm`]: rpm }) };
  const { id } = await call("POST", "/projects", admin, { name: account });
  await call("PUT", `/projects/${id}/settings`, admin, { limits });
  await call("PUT", `/projects/${id}/providers/main`, admin, { kind: "openai-compatible", api_key: "sk-bench", base_url: url });
  const { key } = await call("POST", `/projects/${id}/keys`, admin, { name: "bench" });
  const mint = (n) => call("POST", "/auth/mint", key, { user_id: `user-${n}`, ttl: 3_600 });
  const tokens = await Promise.all(Array.from({ length: users }, async (_, n) => (await mint(n)).access_token));
  return tokens.map((token) => ({ url: `${base}/v1/chat/completions`, token, more: { model: "gpt-4o" } }));
}
