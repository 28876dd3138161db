// What a token may do less than its user: each capability on its own, weaker tokens made of tokens, and scopes route by route.
import { beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { claims } from "../support/jws.ts";
import { type Answer, type CallOptions, call, type Json, Project, User } from "../support/project.ts";
import { completion } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

const PAGE = "https://app.example";
let upstream: Upstream;
let project: Project;
beforeAll(async () => {
  upstream = await Upstream.start(completion("hi"));
  project = await Project.create({
    providers: { main: upstream.url },
    settings: { routing: { aliases: { fast: "small-model" }, fallbacks: { "*": ["dear-model"] } } },
  });
});

const say = (model?: string, more: Json = {}): Json => JSON.stringify({ ...(model ? { model } : {}), messages: [{ role: "user", content: "hello" }], ...more });
const attenuate = (token: string, body: Json, options: CallOptions = {}): Promise<Answer> => call(`${project.base}/v1/auth/attenuate`, { token, body, ...options });

/** A weaker token made by the mint itself, or of a whole one. */
const ways: [string, (body: Json) => Promise<User>][] = [
  ["minted", (body) => project.user("cap-user", body)],
  ["attenuated", async (body) => {
    const answer = await attenuate(await project.token("cap-user"), body);
    expect(answer.status, answer.text).toBe(200);
    return new User(project.base, answer.json.access_token);
  }],
];

describe.each(ways)("a token that is %s", (_name, make) => {
  it("for some models names no other, not even by default", async () => {
    const user = await make({ models: ["small-model", "gpt-*"] });
    for (const [model, status] of [["small-model", 200], ["gpt-4o", 200], ["test-model", 403], [undefined, 403], ["fast", 403], ["main/test-model", 403]] as const) {
      const answer = await user.chat(say(model));
      if (status === 200) expect(answer.status, answer.text).toBe(200);
      else expectError(answer, 403, "forbidden", "model");
    }
    expectError(await call(`${project.base}/v1/embeddings`, { token: user.token, body: { model: "test-model", input: "x" } }), 403, "forbidden", "model");
    const offered = (await user.get("/v1/models")).json.data.map((one: Json) => one.id);
    expect(offered).not.toContain("fast");
    expect(offered).not.toContain("default");
    expectError(await user.get("/v1/models/test-model"), 404, "model_not_found");
    expect((await user.get("/v1/models/small-model")).status).toBe(200);
  });

  it("for some models is never served by another one's fallback", async () => {
    const user = await make({ models: ["small-model"] });
    upstream.answer((exchange) => exchange.body.model === "small-model" ? { status: 500, steps: [{ send: "{}" }] } : completion("dear"));
    try {
      const before = upstream.journal.length;
      expect((await user.chat(say("small-model"))).status).toBe(502);
      expect(upstream.journal.slice(before).map((one) => one.body.model).filter((model) => model !== "small-model")).toEqual([]);
      expect((await (await project.user("cap-user")).chat(say("small-model"))).status).toBe(200);
    } finally {
      upstream.answer(completion("hi"));
    }
  });

  it("for few tokens a reply asks the provider for no more", async () => {
    const user = await make({ max_tokens: 12 });
    const asked = async (more: Json): Promise<Json> => {
      const answer = await user.chat(say("small-model", more));
      expect(answer.status, answer.text).toBe(200);
      const { max_tokens, max_completion_tokens } = upstream.journal.at(-1)?.body;
      return max_tokens ?? max_completion_tokens;
    };
    expect(await asked({})).toBe(12);
    expect(await asked({ n: 2 })).toBe(12);
    expect(await asked({ max_tokens: 5 })).toBe(5);
    expectError(await user.chat(say("small-model", { max_tokens: 13 })), 403, "forbidden", "max_tokens");
    expectError(await user.chat(say("small-model", { max_completion_tokens: 4_000 })), 403, "forbidden", "max_tokens");
  });

  it("for one page is of no use elsewhere, nor without a page", async () => {
    const user = await make({ origin: PAGE });
    expect((await user.chat("x", { headers: { origin: PAGE } })).status).toBe(200);
    for (const headers of [{ origin: "https://evil.example" }, { origin: "null" }, {}]) {
      expectError(await user.chat("x", { headers: headers as Record<string, string> }), 403, "forbidden");
      expectError(await user.get("/v1/limits", { headers: headers as Record<string, string> }), 403, "forbidden");
    }
  });

  it("for one address is of no use from another", async () => {
    const user = await make({ ip: "203.0.113.0/24" });
    const from = (address: string): Promise<Answer> => user.chat("x", { headers: { "cf-connecting-ip": address } });
    expect((await from("203.0.113.9")).status).toBe(200);
    for (const address of ["203.0.114.9", "2001:db8::1"]) expectError(await from(address), 403, "forbidden");
    expectError(await user.chat("x"), 403, "forbidden");
  });

  it("for one thread writes and reads only that", async () => {
    const whole = await project.user("cap-user");
    await whole.chat("other", { headers: { "x-thread-id": "other" } });
    const user = await make({ thread: "mine" });
    const answer = await user.chat("hello");
    expect([answer.status, answer.headers.get("x-thread-id")]).toEqual([200, "mine"]);
    expectError(await user.chat("hello", { headers: { "x-thread-id": "other" } }), 403, "forbidden", "x-thread-id");
    expect((await user.get("/v1/threads")).json.map((one: Json) => one.id)).toEqual(["mine"]);
    expect((await user.get("/v1/threads/mine/messages")).status).toBe(200);
    for (const path of ["/v1/threads/other", "/v1/threads/other/messages"]) {
      const [foreign, unknown] = [await user.get(path), await user.get(path.replace("other", "nobodys"))];
      expectError(foreign, 404, "not_found");
      expect({ ...foreign.json, id: 0 }).toEqual({ ...unknown.json, id: 0 });
    }
    expectError(await user.get("/v1/threads/other", { method: "DELETE" }), 404, "not_found");
    expect((await whole.get("/v1/threads/other")).status).toBe(200);
  });

  it("for one session names no other", async () => {
    const user = await make({ sid: "session-1" });
    expect((await user.chat("x")).headers.get("x-session-id")).toBe("session-1");
    expect((await user.chat("x", { headers: { "x-session-id": "session-1" } })).status).toBe(200);
    expectError(await user.chat("x", { headers: { "x-session-id": "session-2" } }), 403, "forbidden", "x-session-id");
  });

  it("with scopes opens only their routes", async () => {
    const routes: [string, string, CallOptions][] = [
      ["chat", "/v1/chat/completions", { body: say() }],
      ["embeddings", "/v1/embeddings", { body: { model: "m", input: "x" } }],
      ["threads:read", "/v1/threads", {}],
      ["threads:read", "/v1/threads/none/messages", {}],
      ["threads:write", "/v1/threads/none", { method: "DELETE" }],
      ["usage", "/v1/usage", {}],
      ["usage", "/v1/billing/usage", {}],
      ["usage", "/v1/limits", {}],
    ];
    for (const own of ["chat", "embeddings", "threads:read", "threads:write", "usage"]) {
      const user = await make({ scp: own });
      for (const [scope, path, options] of routes) {
        const answer = await user.get(path, options);
        if (scope === own) expect(answer.status, `${own} ${path} ${answer.text}`).not.toBe(403);
        else expectError(answer, 403, "forbidden", "scp");
      }
      expect((await user.get("/v1/models")).status).toBe(200);
    }
    const chat = await make({ scp: ["chat"] });
    // A history is a thread that is read and written.
    expectError(await chat.chat("x", { headers: { "x-thread-id": "mine" } }), 403, "forbidden", "scp");
    expect((await chat.chat("x")).status).toBe(200);
  });
});

describe("a weaker token", () => {
  it("is its parent's user, project and session, and lives no longer", async () => {
    const parent = await project.token("cap-user", { ttl: 600, session_id: "s-9", tier: "pro" });
    const answer = await attenuate(parent, { max_tokens: 5 });
    expect(answer.json.session_id).toBe("s-9");
    const [had, has] = [claims(parent), claims(answer.json.access_token)];
    expect(has).toMatchObject({ uid: had.uid, pid: had.pid, tid: had.tid, sid: "s-9", role: "user", tier: had.tier, via: had.via, par: [had.jti], max_tokens: 5 });
    expect(has.exp).toBeLessThanOrEqual(had.exp);
    expect(has.jti).not.toBe(had.jti);
    expect(answer.headers.get("cache-control")).toMatch(/no-store/);
    const short = (await attenuate(parent, { ttl: 60 })).json;
    expect(short.expires_in).toBe(60);
    expect(claims((await attenuate(parent, { ttl: 86_400 })).json.token).exp).toBeLessThanOrEqual(had.exp);
    expect((await attenuate(parent, "")).status).toBe(200);
  });

  it("cannot get back what was taken", async () => {
    const parent = await project.token("cap-user", { models: ["small-*"], max_tokens: 10, origin: PAGE, thread: "t", scp: "chat", sid: "s" });
    const headers = { origin: PAGE };
    for (const [field, value] of [["models", ["test-model"]], ["models", ["*"]], ["max_tokens", 11], ["origin", "https://evil.example"], ["thread", "u"], ["scp", "usage"], ["sid", "z"]] as const) {
      expectError(await attenuate(parent, { [field]: value }, { headers }), 403, "forbidden", field);
    }
    const child = await attenuate(parent, { models: ["small-model"] }, { headers });
    expect(claims(child.json.access_token)).toMatchObject({ models: ["small-model"], max_tokens: 10, origin: PAGE, thread: "t", scp: "chat", sid: "s", sid_only: true });
    expectError(await attenuate(child.json.access_token, { models: ["small-*"] }, { headers }), 403, "forbidden", "models");
  });

  it("has at most eight ancestors", async () => {
    let token = await project.token("cap-user");
    for (let n = 0; n < 8; n++) token = (await attenuate(token, {})).json.access_token;
    expect(claims(token).par.length).toBe(8);
    expect((await call(`${project.base}/v1/chat/completions`, { token, body: say() })).status).toBe(200);
    expectError(await attenuate(token, {}), 409, "conflict");
  });

  it.each([
    ["models", "x"], ["max_tokens", 0], ["tokens_max", "1"], ["usd_max", -1], ["origin", "app.example"], ["thread", "a b"], ["ip", "1.2.3"],
    ["one_time", 1], ["scp", "everything"], ["sid", ""], ["ttl", 1], ["ttl", "60"],
  ])("refuses a bad %s, naming it", async (field, value) => {
    expectError(await attenuate(await project.token("cap-user"), { [field]: value }), 400, "validation_error", field);
    if (field !== "ttl") expectError(await project.mint({ user_id: "u", [field]: value }), 400, "validation_error", field);
  });
});
