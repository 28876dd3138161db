// Tokens are taken, keys are refused with an explanation, fragments are read as they are written.
import { describe, expect, it } from "vitest";
import { readCredential, readFragment } from "./credential";

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function jwt(claims: unknown): string {
  return `${encode({ alg: "EdDSA", typ: "JWT", kid: "k" })}.${encode(claims)}.c2lnbmF0dXJl`;
}

const claims = { uid: "zoë-☕", pid: "proj_1", role: "user", tier: 2, exp: 1_800_000_000 };
const token = jwt(claims);

describe("readCredential", () => {
  it.each([token, ` ${token}\n`, `Bearer ${token}`, `Authorization: Bearer ${token}`, `"${token}"`])(
    "takes a token, form %#",
    (text) =>
      expect(readCredential(text)).toEqual({
        ok: true,
        credential: {
          token,
          identity: { user: "zoë-☕", project: "proj_1", role: "user", tier: "2", expiresAt: 1_800_000_000_000 },
        },
      }),
  );

  it("reads an identity provider's token by its subject", () => {
    const reading = readCredential(jwt({ sub: "auth0|7" }));
    expect(reading).toMatchObject({ ok: true, credential: { identity: { user: "auth0|7" } } });
  });

  const key = `behest_sk_live_${"0a".repeat(16)}`;
  it.each([key, `Bearer ${key}`, `"${key}"`, "behest_pk_live_x", "BEHEST_SK_test_", `BEHEST_KEY=${key}`])(
    "refuses an API key, form %#",
    (text) => {
      const reading = readCredential(text);
      expect(reading.ok).toBe(false);
      if (!reading.ok) {
        expect(reading.reason).toMatch(/API key.*server/);
        expect(reading.reason).not.toContain("0a0a");
      }
    },
  );

  it.each([
    ["", /Paste/],
    ["sk-proj-abcdefghijklmnopqrst", /provider’s key/],
    ["hello", /not a token/],
    ["a.b", /not a token/],
    ["a.b.c", /not a token/],
    [`${encode({})}.${encode([1])}.x`, /not a token/],
    [`${encode({})}.${encode({ uid: 1 })}.sig!`, /not a token/],
  ])("refuses %j", (text, reason) => {
    const reading = readCredential(text);
    expect(reading.ok ? "" : reading.reason).toMatch(reason);
  });
});

it.each([
  ["#token=a.b.c", { token: "a.b.c" }],
  ["#token=a.b.c&model=anthropic/claude-x", { token: "a.b.c", model: "anthropic/claude-x" }],
  ["#model=gpt%204", { model: "gpt 4" }],
  ["#token=a+b", { token: "a+b" }],
  ["#about", {}],
  ["", {}],
])("readFragment(%j)", (hash, expected) => expect(readFragment(hash)).toEqual(expected));
