// A project of the gateway that is measured, and the requests of its users.
// Always holds: an answer with another status than the one expected, or a stream without its end, is an error.
// Absent: counting.
export const ASK_MS = 60_000;
const WIDTH = 8;
const MESSAGES = [
  { role: "system", content: "You are a helpful assistant of a shop for garden tools. Answer in two sentences and never promise a delivery date." },
  { role: "user", content: "Which spade should I buy for heavy clay, and is it worth paying more for a stainless blade?" },
];

export class Project {
  #tokens = [];

  constructor(base, admin, id, key) {
    Object.assign(this, { base, admin, id, key });
  }

  static async create(base, admin, url, limits) {
    const { id } = await call(base, "POST", "/projects", admin, { name: "cost" });
    await call(base, "PUT", `/projects/${id}/settings`, admin, { limits });
    await call(base, "PUT", `/projects/${id}/providers/main`, admin, { kind: "openai-compatible", api_key: "sk-bench", base_url: url });
    const { key } = await call(base, "POST", `/projects/${id}/keys`, admin, { name: "cost" });
    return new Project(base, admin, id, key);
  }

  limit(limits) {
    return call(this.base, "PUT", `/projects/${this.id}/settings`, this.admin, { limits });
  }

  async mint(user) {
    return (await call(this.base, "POST", "/auth/mint", this.key, { user_id: user, ttl: 3_600 })).access_token;
  }

  /** Has so many users. */
  async users(count) {
    while (this.#tokens.length < count) this.#tokens.push(await this.mint(`user-${this.#tokens.length}`));
  }

  /** Sends `count` requests of all users in turn, `width` at once; answers the count. */
  async chats(count, { width = WIDTH, body = {}, headers = () => ({}), status = 200 } = {}) {
    let sent = 0;
    await Promise.all(Array.from({ length: width }, async () => {
      while (sent < count) {
        const n = sent % this.#tokens.length;
        sent += 1;
        await chat(this.base, this.#tokens[n], { model: "gpt-4o", max_tokens: 200, messages: MESSAGES, ...body }, headers(n, sent), status);
      }
    }));
    return count;
  }
}

async function call(base, method, path, token, body) {
  const answer = await post(base, method, path, token, body);
  if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}

async function chat(base, token, body, headers, status) {
  const answer = await post(base, "POST", "/chat/completions", token, body, headers);
  const text = await answer.text();
  if (answer.status !== status || (body.stream && !text.endsWith("data: [DONE]\n\n"))) throw new Error(`a request was answered ${answer.status}, not ${status}: ${text.slice(-500)}`);
}

function post(base, method, path, token, body, headers = {}) {
  return fetch(`${base}/v1${path}`, { method, headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers }, body: JSON.stringify(body), signal: AbortSignal.timeout(ASK_MS) });
}
