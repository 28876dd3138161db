// RFC 8693 at POST /v1/auth/token: a login token becomes one of ours, with no more power and no longer life.
// Always holds: what the new token may do is seen by using it, not only by reading it.
import { randomBytes } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { now, Signer } from "../support/issuer.ts";
import { claims as read, verify } from "../support/jws.ts";
import { call, type Json, Project } from "../support/project.ts";

const GRANT = "urn:ietf:params:oauth:grant-type:token-exchange";
const TYPE = "urn:ietf:params:oauth:token-type:";
const signer = Signer.make("ES256", "ec-1");
const iss = `https://idp-${randomBytes(6).toString("hex")}.example`;
let project: Project;
beforeAll(async () => {
  project = await Project.create({ providers: { main: "https://provider.example/v1" }, settings: { allowed_origins: ["https://app.example"], token: { max_ttl: 1_800 } } });
  await project.admin("/issuers/idp", { method: "PUT", body: { issuer: iss, audience: "app", jwks: { keys: [signer.jwk] } } });
});

const login = (more: Json = {}) => signer.token({ iss, aud: "app", sub: "ann", jti: "login-1", sid: "sess-1", iat: now(), exp: now() + 3_600, ...more });
const fields = (more: Json = {}) => ({ grant_type: GRANT, subject_token: login(), subject_token_type: `${TYPE}jwt`, ...more });
const form = (body: Json) => new URLSearchParams(body).toString();
const post = (body: Json, headers: Record<string, string> = {}) =>
  call(`${project.base}/v1/auth/token`, { method: "POST", body: form(body), headers: { "content-type": "application/x-www-form-urlencoded", ...headers } });
const enter = (token: string, path = "/v1/threads") => call(`${project.base}${path}`, { token });

describe("an exchange", () => {
  it("gives a token of ours for the same user", async () => {
    const answer = await post(fields());
    expect(answer.status, answer.text).toBe(200);
    expect(answer.json).toMatchObject({ token_type: "Bearer", issued_token_type: `${TYPE}access_token`, expires_in: 900, project_id: project.id, session_id: "sess-1", scope: expect.stringContaining("chat") });
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const own = verify(answer.json.access_token, (await call(`${project.base}/.well-known/jwks.json`)).json);
    expect(own).toMatchObject({ uid: "ann", pid: project.id, iss: "behest", role: "user", via: "issuer:idp", par: ["login-1"], sid: "sess-1" });
    expect(own.exp - own.iat).toBe(900);
    expect((await enter(answer.json.access_token)).status).toBe(200);
  });

  it("knows a login without an id of its own by what was signed: another good signature of it makes no other token", async () => {
    const [head, body, good] = login({ jti: undefined, sid: undefined }).split(".");
    const [order, bytes] = [0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n, Buffer.from(good, "base64url")];
    const other = (order - BigInt(`0x${bytes.subarray(32).toString("hex")}`)).toString(16).padStart(64, "0");
    const twin = Buffer.concat([bytes.subarray(0, 32), Buffer.from(other, "hex")]).toString("base64url");
    const [one, two] = [await post(fields({ subject_token: `${head}.${body}.${good}` })), await post(fields({ subject_token: `${head}.${body}.${twin}` }))];
    expect([one.status, two.status, good === twin], two.text).toEqual([200, 200, false]);
    const [{ par, sid }, second] = [read(one.json.access_token), read(two.json.access_token)];
    expect([second.par, second.sid]).toEqual([par, sid]);
    // The owner voids what was seen; its twin is void with it.
    expect((await project.admin("/revocations", { body: { jti: par[0] } })).status).toBe(204);
    for (const signature of [good, twin]) expectError(await enter(`${head}.${body}.${signature}`), 401, "invalid_token");
  });

  it("takes JSON too, and a type that is asked for", async () => {
    const body = fields({ requested_token_type: `${TYPE}jwt`, session_id: "mine", ttl: 120 });
    const answer = await call(`${project.base}/v1/auth/token`, { body });
    expect(answer.json).toMatchObject({ issued_token_type: `${TYPE}jwt`, session_id: "mine", expires_in: 120 });
  });

  it("never outlives its subject, nor what the project allows", async () => {
    const short = await post(fields({ subject_token: login({ exp: now() + 90 }), ttl: "1800" }));
    expect(short.json.expires_in).toBeLessThanOrEqual(90);
    expect(read(short.json.access_token).exp).toBeLessThanOrEqual(now() + 90);
    expect((await post(fields({ ttl: "1800" }))).json.expires_in).toBe(1_800);
    expectError(await post(fields({ ttl: "1801" })), 400, "validation_error", "ttl");
  });

  it("narrows scopes and never widens them", async () => {
    const narrow = (await post(fields({ scope: "usage" }))).json;
    expect(narrow.scope).toBe("usage");
    expect((await enter(narrow.access_token, "/v1/usage")).status).toBe(200);
    expectError(await enter(narrow.access_token), 403, "forbidden");
    expectError(await post(fields({ subject_token: narrow.access_token, scope: "chat" })), 403, "forbidden");
    const again = await post(fields({ subject_token: narrow.access_token, subject_token_type: `${TYPE}access_token` }));
    expect(again.json.scope).toBe("usage");
    expect(read(again.json.access_token).par).toEqual([read(narrow.access_token).jti, "login-1"]);
  });

  it("takes capabilities in JSON and in a form, and never widens them", async () => {
    const asked = { models: ["gpt-5-*"], max_tokens: 50, usd_max: 0.5, thread: "t-1", sid: "own" };
    const json = await call(`${project.base}/v1/auth/token`, { body: fields(asked) });
    const formed = await post(fields({ ...asked, models: JSON.stringify(asked.models) }));
    for (const { status, text, json: { access_token } } of [json, formed]) {
      expect(status, text).toBe(200);
      const { sid_only, ...own } = read(access_token);
      expect({ ...own, sid_only }).toMatchObject({ ...asked, sid_only: true });
      const chat = { model: "gpt-4o", messages: [{ role: "user", content: "x" }] };
      expectError(await call(`${project.base}/v1/chat/completions`, { token: access_token, body: chat }), 403, "forbidden", "model");
      expectError(await post(fields({ subject_token: access_token, models: '["gpt-4o"]' })), 403, "forbidden", "models");
    }
    expectError(await post(fields({ models: "gpt-5" })), 400, "validation_error", "models");
  });

  it("obeys the project's origins", async () => {
    expect((await post(fields(), { origin: "https://app.example" })).status).toBe(200);
    expectError(await post(fields(), { origin: "https://evil.example" }), 403, "forbidden");
  });

  it("ends with the trust in the identity provider", async () => {
    const body = { issuer: `${iss}/2`, audience: "app", jwks: { keys: [signer.jwk] } };
    await project.admin("/issuers/second", { method: "PUT", body });
    const { access_token } = (await post(fields({ subject_token: login({ iss: `${iss}/2` }) }))).json;
    expect((await enter(access_token)).status).toBe(200);
    await project.admin("/issuers/second", { method: "DELETE" });
    expectError(await enter(access_token), 401, "invalid_token");
  });

  it.each<[string, Json, number, string, string?]>([
    ["no grant type", { grant_type: "" }, 400, "validation_error", "grant_type"],
    ["another grant type", { grant_type: "password" }, 400, "validation_error", "grant_type"],
    ["no subject", { subject_token: "" }, 400, "validation_error", "subject_token"],
    ["another type of subject", { subject_token_type: `${TYPE}saml2` }, 400, "validation_error", "subject_token_type"],
    ["an actor", { actor_token: "x" }, 400, "validation_error", "actor_token"],
    ["an unknown scope", { scope: "root" }, 400, "validation_error", "scope"],
    ["a subject that is no token", { subject_token: "abc" }, 401, "invalid_token"],
    ["a subject of nobody", { subject_token: Signer.make("ES256", "ec-1").token({ iss, aud: "app", sub: "ann", iat: now(), exp: now() + 60 }) }, 401, "invalid_token"],
    ["a subject whose time is over", { subject_token: login({ iat: now() - 120, exp: now() - 60 }) }, 401, "token_expired"],
    ["another project", { project: "proj_000000000000000000000000" }, 401, "invalid_token"],
    ["a project that is none", { project: "x" }, 400, "validation_error", "x-behest-project"],
  ])("is refused with %s", async (_name, change, status, code, param) => {
    expectError(await post(fields(change)), status, code, param);
  });

  it("is refused to an API key, and to a token in the header alone", async () => {
    expectError(await post(fields({ subject_token: project.key })), 401, "api_key_not_allowed");
    expectError(await call(`${project.base}/v1/auth/token`, { body: {}, token: login() }), 400, "validation_error", "grant_type");
  });
});
