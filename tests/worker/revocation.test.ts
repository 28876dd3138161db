// Revocation: what the owner voids opens nothing from the answer on, what is made after it is good, and streams of void tokens end.
// Always holds: the next request is the proof, not a wait; only the ten seconds of a running stream, and of a change that has to be pushed,
// are polled for.
import { beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { Project, User } from "../support/project.ts";
import { completion, event, chunk, EVENT_STREAM, json } from "../support/script.ts";
import { eventually, Upstream } from "../support/upstream.ts";

const claims = (token: string) => JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString());
const PROMISE_MS = 10_000;

let upstream: Upstream;
let project: Project;

beforeAll(async () => {
  upstream = await Upstream.start(completion("hi"));
  project = await Project.create({ providers: { main: upstream.url } });
});

const revoke = (body: unknown, of = project) => of.admin("/revocations", { body });
const routes = ["/v1/models", "/v1/models/test-model", "/v1/threads", "/v1/usage", "/v1/billing/usage", "/v1/limits"];

/** Every route is closed at once: chat, embeddings, and those that ask no provider. */
async function expectClosed(user: User) {
  for (const answer of await Promise.all([user.chat(), user.chat("{not json"), ...routes.map((path) => user.get(path)), user.get("/v1/embeddings", { body: { input: "x", model: "m" } })])) {
    expect(expectError(answer, 401, "invalid_token").message).toBe("The token was revoked.");
  }
}

async function expectOpen(user: User) {
  expect((await user.chat()).status).toBe(200);
  expect((await user.get("/v1/models")).status).toBe(200);
}

describe("what is named is void, what is made after is good, others are not concerned", () => {
  it.each<[string, (token: any) => object, boolean]>([
    ["a user", ({ uid }) => ({ uid }), true],
    ["a user's session", ({ uid, sid }) => ({ uid, sid }), true],
    ["a session", ({ sid }) => ({ sid }), true],
    ["a user's token", ({ uid, jti }) => ({ uid, jti }), true],
    ["a token", ({ jti }) => ({ jti }), true],
    ["an API key", () => ({ key_id: project.keyId }), false],
  ])("%s", async (name, body, spares) => {
    const more = { session_id: `session of ${name}`.replaceAll(" ", "-") };
    const [user, other] = [await project.user(name, more), await project.user(`another than ${name}`)];
    await expectOpen(user);
    expect((await revoke(body(claims(user.token)))).status).toBe(204);
    await expectClosed(user);
    if (spares) await expectOpen(other);
    else await expectClosed(other);
    await expectOpen(await project.user(name, more));
  });
});

it("a void user who was never seen is refused too, and erasing revives nothing", async () => {
  const user = await project.user("unseen");
  expect((await revoke({ uid: "unseen" })).status).toBe(204);
  await expectClosed(user);
  expect((await project.admin("/users/unseen", { method: "DELETE" })).status).toBe(204);
  await expectClosed(user);
});

it("a key that is deleted takes what it minted along, if that is asked for", async () => {
  const key = async () => (await project.admin("/keys", { body: { name: "another" } })).json;
  const minted = async ({ key }: { key: string }, uid: string) => new User(project.base, (await project.mint({ user_id: uid }, { token: key })).json.token);
  const [kept, gone] = [await key(), await key()];
  const [first, second] = [await minted(kept, "of-kept"), await minted(gone, "of-gone")];
  expect((await project.admin(`/keys/${kept.id}`, { method: "DELETE" })).status).toBe(204);
  expectError(await project.admin(`/keys/${gone.id}?revoke_tokens=yes`, { method: "DELETE" }), 400, "validation_error");
  expect((await project.admin(`/keys/${gone.id}?revoke_tokens=true`, { method: "DELETE" })).status).toBe(204);
  await expectOpen(first);
  await expectClosed(second);
});

it("what cannot be meant is refused by name", async () => {
  for (const [body, param] of [[{}, "uid"], [{ user: "u" }, "user"], [{ uid: 7 }, "uid"], [{ uid: "u", key_id: "k" }, "key_id"], [{ sid: "s", jti: "j" }, "jti"]] as const) {
    expect(expectError(await revoke(body), 400, "validation_error").param).toBe(param);
  }
  expectError(await project.admin("/revocations", { body: { uid: "u" }, token: "wrong" }), 401, "invalid_token");
});

it("of 200 requests in flight, each that begins after the answer is refused", { timeout: 60_000 }, async () => {
  const user = await project.user("busy");
  await expectOpen(user);
  let revokedAt = Infinity;
  const asked: { at: number; status: number }[] = [];
  const one = async () => {
    const at = performance.now();
    asked.push({ at, status: (await user.chat()).status });
  };
  const before = Array.from({ length: 100 }, one);
  const revoking = revoke({ uid: "busy" }).then((answer) => {
    revokedAt = performance.now();
    return answer.status;
  });
  await Promise.all([...before, revoking]);
  expect(await revoking).toBe(204);
  await Promise.all(Array.from({ length: 100 }, one));
  const after = asked.filter(({ at }) => at > revokedAt);
  expect(after.length).toBeGreaterThanOrEqual(100);
  expect(new Set(after.map(({ status }) => status))).toEqual(new Set([401]));
  expect(asked.some(({ status }) => status === 200)).toBe(true);
});

describe("a running stream ends within ten seconds with an error event", () => {
  it.each<[string, boolean, (of: Project, token: any) => Promise<unknown>, string]>([
    ["its user is revoked, and the provider talks", false, (of, { uid }) => revoke({ uid }, of), "invalid_token"],
    ["its user is revoked, and the provider is silent", true, (of, { uid }) => revoke({ uid }, of), "invalid_token"],
    ["its key is revoked", true, (of) => revoke({ key_id: of.keyId }, of), "invalid_token"],
    ["its project is suspended", true, (of) => of.admin("", { method: "PATCH", body: { status: "suspended" } }), "forbidden"],
  ])("%s", { timeout: 30_000 }, async (_, silent, act, code) => {
    const word = { send: event(chunk({ content: "word " })) };
    const talk = Array.from({ length: 60 }, () => [word, { wait: 400 }]).flat();
    const talker = await Upstream.start({ headers: EVENT_STREAM, steps: [word, ...(silent ? [{ hang: true } as const] : talk)] });
    const own = await Project.create({ providers: { main: talker.url } });
    const user = await own.user("streaming");
    const response = await user.open({ model: "test-model", stream: true, messages: [{ role: "user", content: "x" }] });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader.read()).value ?? "";
    await act(own, claims(user.token));
    const begun = Date.now();
    for (let next = await reader.read(); !next.done; next = await reader.read()) text += next.value;
    expect(Date.now() - begun).toBeLessThan(PROMISE_MS);
    const last = JSON.parse(text.trim().split("\n\n").at(-1)!.replace("data: ", ""));
    expect(last.error.code).toBe(code);
    expect(text).not.toContain("[DONE]");
    // It is settled: nothing runs any more.
    await expect.poll(async () => (await own.admin("/users/streaming", { method: "DELETE" })).status, { timeout: 15_000 }).toBe(204);
  });
});

describe("a request that still waits for its provider is answered as a new one within ten seconds, and the provider is let go", () => {
  const messages = [{ role: "user", content: "x" }];
  it.each<[string, string, object, (of: Project, token: any) => Promise<unknown>, number, string]>([
    ["a chat, and its user is revoked", "chat/completions", { model: "test-model", messages }, (of, { uid }) => revoke({ uid }, of), 401, "invalid_token"],
    ["a stream, and its token is revoked", "chat/completions", { model: "test-model", messages, stream: true }, (of, { jti }) => revoke({ jti }, of), 401, "invalid_token"],
    ["a chat, and its key is revoked", "chat/completions", { model: "test-model", messages }, (of) => revoke({ key_id: of.keyId }, of), 401, "invalid_token"],
    ["embeddings, and their project is suspended", "embeddings", { model: "test-model", input: "x" }, (of) => of.admin("", { method: "PATCH", body: { status: "suspended" } }), 403, "forbidden"],
  ])("%s", { timeout: 30_000 }, async (_, path, body, act, status, code) => {
    const silent = await Upstream.start({ steps: [{ hang: true }] });
    const own = await Project.create({ providers: { main: silent.url } });
    const user = await own.user("waiting");
    const answering = user.get(`/v1/${path}`, { method: "POST", body });
    await eventually("the provider is asked", () => silent.journal.length === 1);
    await act(own, claims(user.token));
    const begun = Date.now();
    expectError(await answering, status, code);
    expect(Date.now() - begun).toBeLessThan(PROMISE_MS);
    await eventually("the provider is let go", () => silent.last.hungUpAt);
    expect(silent.journal.length, "nobody is asked again").toBe(1);
    // It is settled: nothing runs any more, and what the provider was asked is charged.
    await own.admin("", { method: "PATCH", body: { status: "active" } });
    const again = await own.user("waiting");
    const { totals } = await eventually("it is settled", async () => {
      const { json } = await again.get("/v1/usage");
      return json.totals.requests === 1 && json;
    }, 15_000);
    expect(totals.input_tokens).toBeGreaterThan(0);
  });
});

it("a request that is tried again and again is looked at as often as one that waits", { timeout: 40_000 }, async () => {
  const failing = await Upstream.start({ ...json({ error: { message: "overloaded" } }, 503), steps: [{ wait: 3_000 }, { send: "{}" }] });
  const own = await Project.create({ providers: { main: failing.url }, settings: { routing: { retries: 5 } } });
  const user = await own.user("retried");
  const answering = user.chat();
  await eventually("the provider is asked", () => failing.journal.length === 1);
  await revoke({ uid: "retried" }, own);
  const begun = Date.now();
  expectError(await answering, 401, "invalid_token");
  expect(Date.now() - begun).toBeLessThan(PROMISE_MS);
  expect(failing.journal.length, "it was tried again").toBeGreaterThan(1);
});

it("a suspended project refuses every user, also those without a lease", async () => {
  const own = await Project.create({ providers: { main: upstream.url } });
  const [active, reader] = [await own.user("active"), await own.user("reader")];
  await expectOpen(active);
  expect((await reader.get("/v1/threads")).status).toBe(200);
  await own.admin("", { method: "PATCH", body: { status: "suspended" } });
  for (const user of [active, reader]) for (const path of routes) expectError(await user.get(path), 403, "forbidden");
});
