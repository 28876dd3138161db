// The rules by which Project Wycheproof tries readers of JWS and JWK, as far as the platform decides them: each by its own name, with keys and
// signatures that are made here. What is decided before the platform is asked: tests/jose_rules.rs.
// Always holds: what is signed is a good token; what is wrong is the signature or the key. Each family begins with one that is taken.
// Absent: rules for what is not taken at all (docs/security.md lists them), and what a forger does without a key: foreign-tokens.test.ts.
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { Gateway } from "../support/gateway.ts";
import { KeyServer, now, Signer } from "../support/issuer.ts";
import { digestInfo, encode, padded, type Pss, pss, raw, type Spoil, tlv } from "../support/padding.ts";
import { call, type Json, Project } from "../support/project.ts";
import { claimsOf, pair, register, signature } from "../support/signing.ts";

let gateway: Gateway;
let project: Project;
let keys: KeyServer;
const RSA = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
const [rsa, small] = [pair("RS256"), pair("RS256", 1024)];
const ec = { ES256: pair("ES256"), ES384: pair("ES384") };
beforeAll(async () => {
  [gateway, keys] = [await Gateway.start(), await KeyServer.start()];
  project = await Project.create({ base: gateway.url });
  for (const alg of RSA) await register(project, { kid: alg, alg, public_key: rsa.jwk });
  for (const [alg, made] of Object.entries(ec)) await register(project, { kid: alg, public_key: made.jwk });
}, 90_000);
afterAll(async () => {
  keys.stop();
  await gateway.stop();
});

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
/** What a token of this header signs, and the token with the signature that is made of it. */
const signed = (head: Json, sign: (input: string) => Buffer, claims: Json = claimsOf(project)) => {
  const input = `${base64url(head)}.${base64url(claims)}`;
  return `${input}.${sign(input).toString("base64url")}`;
};
const enter = (token: string) => call(`${gateway.url}/v1/threads`, { token });
async function check(token: string, taken: boolean) {
  const answer = await enter(token);
  if (taken) expect(answer.status, answer.text).toBe(200);
  else expectError(answer, 401, "invalid_token");
}

type Row = [rule: string, taken: boolean, em: (input: string) => Buffer];
const bytes = (text: string) => Buffer.from(text, "hex");
const join = (...parts: Buffer[]) => Buffer.concat(parts);
const one = (n: number) => Buffer.from([n]);
const length = (text: string): Spoil => (tag, value) => join(one(tag), bytes(text), value);
const SPOILED: [string, Spoil][] = [
  ["length in long form", (tag, value) => join(one(tag), one(0x81), one(value.length), value)],
  ["length with a leading 0", (tag, value) => join(one(tag), bytes("8200"), one(value.length), value)],
  ["length of one more", (tag, value) => join(one(tag), one(value.length + 1), value)],
  ["length of one less", (tag, value) => join(one(tag), one((value.length + 255) % 256), value)],
  ["length beyond 32 bits", (tag, value) => join(one(tag), bytes("8501000000"), one(value.length), value)],
  ["length beyond 64 bits", (tag, value) => join(one(tag), bytes("89010000000000000000").subarray(0, 9), one(value.length), value)],
  ["length 2^31-1", length("847fffffff")], ["length 2^31", length("8480000000")], ["length 2^32-1", length("84ffffffff")], ["length 2^40-1", length("85ffffffffff")], ["length 2^64-1", length("88ffffffffffffffff")],
  ["length 255", length("ff")], ["indefinite length without an end", length("80")],
  ["indefinite length with an end", (tag, value) => join(one(tag), one(0x80), value, bytes("0000"))],
  ["nothing in its place", () => Buffer.alloc(0)], ["a lonely tag", (tag) => one(tag)], ["its value dropped", (tag) => join(one(tag), one(0))],
  ["zeros appended", (tag, value) => tlv(tag, join(value, bytes("0000")))], ["zeros put before", (tag, value) => tlv(tag, join(bytes("0000"), value))],
  ["unused zeros after it", (tag, value) => join(tlv(tag, value), bytes("0000"))], ["a null after it", (tag, value) => join(tlv(tag, value), bytes("0500"))],
  ["garbage before it", (tag, value) => join(bytes("49817730"), tlv(tag, value))], ["garbage within", (tag, value) => tlv(tag, join(value, bytes("2500")))],
  ["undefined tags around it", (tag, value) => join(bytes("aa00bb00cd00"), tlv(tag, value))], ["composed", (tag, value) => tlv(0x30, tlv(tag, value))],
  ["a null in its place", () => bytes("05000500")], ["an empty sequence before it", (tag, value) => tlv(tag, join(bytes("3000"), value))],
  ["another tag", (tag, value) => tlv(tag ^ 1, value)], ["a constructed tag", (tag, value) => tlv(tag ^ 0x20, value)], ["a private tag", (tag, value) => tlv(0xff, value)],
  ["its first byte changed", (tag, value) => tlv(tag, join(one((value[0] ?? 0) ^ 1), value.subarray(1)))], ["its last byte changed", (tag, value) => tlv(tag, join(value.subarray(0, -1), one((value.at(-1) ?? 0) ^ 0x80)))],
  ["its last byte missing", (tag, value) => tlv(tag, value.subarray(0, -1))], ["its first byte missing", (tag, value) => tlv(tag, value.subarray(1))],
];
const plain = (input: string) => padded(encode(digestInfo(input)));
// What leaves the value as it was, as dropping what is in a null does, spoils nothing.
const spoiled: Row[] = ["Sequence", "AlgorithmIdentifier", "Oid", "Null", "OctetString"].flatMap((name) =>
  SPOILED.map(([what, spoil]): Row => [`ModifiedPadding: ${name}, ${what}`, false, (input) => padded(encode(digestInfo(input), name, spoil))]).filter(([, , em]) => !em("").equals(plain(""))));
const changed = (at: number, to: number) => (input: string) => {
  const em = plain(input);
  em[at] = to;
  return em;
};
const PADDED: Row[] = [
  ["acceptsValid", true, plain],
  ...spoiled,
  ["ModifiedPadding: the hash alone", false, (input) => padded(createHash("sha256").update(input).digest())],
  ["ModifiedPadding: no hash", false, () => padded(Buffer.alloc(0))],
  ["ModifiedPadding: first byte not 0", false, changed(0, 1)], ["ModifiedPadding: block type 0", false, changed(1, 0)], ["ModifiedPadding: block type 2", false, changed(1, 2)],
  ["ModifiedPadding: a byte of it 0", false, changed(100, 0)], ["ModifiedPadding: a byte of it fe", false, changed(100, 0xfe)], ["ModifiedPadding: first byte of it 0", false, changed(2, 0)],
  ["ModifiedPadding: its end not 0", false, changed(256 - 52, 0xff)],
  ["ModifiedPadding: eight bytes, garbage behind the hash", false, (input) => { const text = encode(digestInfo(input)); return join(padded(text, 11 + text.length), Buffer.alloc(256 - 11 - text.length)); }],
  ["ModifiedPadding: none, garbage behind the hash", false, (input) => { const text = encode(digestInfo(input)); return join(bytes("000100"), text, Buffer.alloc(253 - text.length)); }],
  ["ModifiedPadding: zeros", false, (input) => { const text = encode(digestInfo(input)); return join(Buffer.alloc(256 - text.length), text); }],
];

const flip = (at: number) => (part: Buffer) => { part[at < 0 ? part.length + at : at] ^= 1; };
const HASHES = { PS256: "sha256", PS384: "sha384", PS512: "sha512" };
const PSS: [rule: string, taken: boolean, alg: string, change: Partial<Pss>][] = Object.entries(HASHES).flatMap(([alg, hash]): [string, boolean, string, Partial<Pss>][] => [
  ["acceptsValid", true, alg, {}],
  ["FirstByteOfMhashModified", false, alg, { text: flip(0) }], ["LastByteOfMhashModified", false, alg, { text: flip(-1) }],
  ["FirstByteOfHModified", false, alg, { all: flip(0) }], ["LastByteOfHModified", false, alg, { all: flip(-1) }], ["H all zeros", false, alg, { all: (h) => void h.fill(0) }],
  ["s_len changed to 0", false, alg, { salt: 0 }], ["s_len changed to 1", false, alg, { salt: 1 }], ["s_len changed to one less", false, alg, { salt: Number(hash.slice(3)) / 8 - 1 }],
  ["s_len changed to one more", false, alg, { salt: Number(hash.slice(3)) / 8 + 1 }], ["s_len changed to the most", false, alg, { salt: 254 - Number(hash.slice(3)) / 8 }],
  ...["sha1", "sha256", "sha384", "sha512"].filter((mgf) => mgf !== hash).map((mgf): [string, boolean, string, Partial<Pss>] => [`MGF1 with ${mgf}`, false, alg, { mgf }]),
  ["first byte of the padding modified", false, alg, { block: flip(0) }], ["the padding's end modified", false, alg, { block: (db) => { db[db.indexOf(1)] = 2; } }],
  ["first bit of EM set", false, alg, { whole: (em) => { em[0] |= 0x80; } }], ["trailer 0xcc", false, alg, { whole: (em) => { em[255] = 0xcc; } }], ["trailer 0", false, alg, { whole: (em) => { em[255] = 0; } }],
]);

const ORDERS = { ES256: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n, ES384: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n };
type Curve = keyof typeof ORDERS;
const ECDSA: [string, Curve, boolean, (input: string) => Buffer][] = (Object.keys(ORDERS) as Curve[]).flatMap((alg) => {
  const [n, size] = [ORDERS[alg], ORDERS[alg].toString(16).length / 2];
  const half = (value: bigint, width = size) => bytes(value.toString(16).padStart(width * 2, "0"));
  const special: [string, bigint][] = [["Zero", 0n], ["One", 1n], ["Nminus1", n - 1n], ["N", n]];
  const made = (change: (r: Buffer, s: Buffer) => Buffer) => (input: string) => {
    const good = signature(alg, input, ec[alg].privateKey);
    return change(good.subarray(0, size), good.subarray(size));
  };
  const number = (part: Buffer) => BigInt(`0x${part.toString("hex")}`);
  const zero = (width: number) => Buffer.alloc(width);
  return [
    ["acceptsValid", alg, true, made((r, s) => join(r, s))],
    ["acceptsValid, with n - s", alg, true, made((r, s) => join(r, half(n - number(s))))],
    ...special.flatMap(([rName, r]) => special.map(([sName, s]): [string, Curve, boolean, () => Buffer] => [`rIs${rName}_sIs${sName}`, alg, false, () => join(half(r), half(s))])),
    ["all ones", alg, false, () => Buffer.alloc(size * 2, 0xff)],
    ["SignatureTooLong: a zero before each half", alg, false, made((r, s) => join(zero(1), r, zero(1), s))], ["SignatureTooLong: a zero behind it", alg, false, made((r, s) => join(r, s, zero(1)))],
    ["TrailingZeros: behind r", alg, false, made((r, s) => join(r, zero(1), s, zero(1)))], ["RisTooBig", alg, false, made((r, s) => join(half(number(r) + n, size + 1), zero(1), s))],
    ["SisTooBig", alg, false, made((r, s) => join(zero(1), r, half(number(s) + n, size + 1)))], ["IntegerOverflow: r + 2^8k", alg, false, made((r, s) => join(one(1), r, zero(1), s))],
    ["IntegerOverflow: s + 2^8k", alg, false, made((r, s) => join(zero(1), r, one(1), s))], ["BufferOverflow", alg, false, made((r, s) => join(zero(256), r, zero(256), s))],
    ["half of it", alg, false, made((r) => r)], ["r and s exchanged", alg, false, made((r, s) => join(s, r))],
    ["DER", alg, false, made((r, s) => tlv(0x30, join(...[r, s].map((part) => tlv(2, join(zero(1), part))))))], ["DER as long as a signature is", alg, false, () => join(bytes("3006020101020101"), zero(size * 2 - 8))],
  ];
});

describe("a signature", () => {
  it.each(PADDED)("of RS256, %s: taken %s", (_rule, taken, em) => check(signed({ alg: "RS256", kid: "RS256" }, (input) => raw(rsa.privateKey, em(input))), taken));

  it.each(PSS)("of PSS, %s: taken %s for %s", (_rule, taken, alg, change) => check(signed({ alg, kid: alg }, (input) => {
    // A number beyond the modulus has no signature: another salt makes another.
    let em = pss(input, { hash: HASHES[alg as keyof typeof HASHES], ...change });
    while (Buffer.compare(em, Buffer.from(rsa.jwk.n!, "base64url")) >= 0) em = pss(input, { hash: HASHES[alg as keyof typeof HASHES], ...change });
    return raw(rsa.privateKey, em);
  }), taken));

  it.each(ECDSA)("of ECDSA, %s: of %s, taken %s", (_rule, alg, taken, make) => check(signed({ alg, kid: alg }, make), taken));

  const primitives = RSA.flatMap((of) => RSA.flatMap((using) => [of, using].map((says): [string, string, string] => [of, using, says])));
  it.each(primitives)("WrongPrimitive: a key of %s, signed with %s, under a header that says %s", (of, using, says) => check(signed({ alg: says, kid: of }, (input) => signature(using, input, rsa.privateKey)), of === using && says === of));
});

describe("a published key", () => {
  const [good, twin] = [Signer.make("RS256", "k"), Signer.make("RS256", "k")];
  const curved = Signer.make("ES256", "k");
  const other = Signer.make("EdDSA", "another");
  const tiny = { ...small.jwk, kid: "k", alg: "RS256", use: "sig" };
  const point = Signer.make("ES256", "k").jwk;
  const rows: [string, boolean, Json[], (claims: Json) => string][] = [
    ["acceptsValid", true, [good.jwk], (claims) => good.token(claims)],
    ["acceptsValid, on a curve", true, [curved.jwk], (claims) => curved.token(claims)],
    ["DuplicateKid", false, [good.jwk, twin.jwk], (claims) => good.token(claims)],
    ["DuplicateKid, the other way round", false, [twin.jwk, good.jwk], (claims) => good.token(claims)],
    ["the same key twice", true, [good.jwk, good.jwk], (claims) => good.token(claims)],
    ["MixedKeySet, of the secret", false, [{ kty: "oct", alg: "HS256", kid: "s", k: "A".repeat(43) }, good.jwk], (claims) => signed({ alg: "HS256", kid: "s" }, (input) => signature("HS256", input, Buffer.alloc(32)), claims)],
    ["rejectsWrongUse", false, [{ ...good.jwk, use: "enc" }], (claims) => good.token(claims)],
    ["rejectWrongKeyOps", false, [{ ...curved.jwk, key_ops: ["encrypt"] }], (claims) => curved.token(claims)],
    ["rejects1024bitRsaKey", false, [tiny], (claims) => signed({ alg: "RS256", kid: "k" }, (input) => signature("RS256", input, small.privateKey), claims)],
    ["invalid_point", false, [{ ...curved.jwk, y: point.y }], (claims) => curved.token(claims)],
    ["invalid_point, zeros", false, [{ ...curved.jwk, x: "A".repeat(43), y: "A".repeat(43) }], (claims) => curved.token(claims)],
    ["invalid_point, beyond the field", false, [{ ...curved.jwk, x: `${"_".repeat(42)}8` }], (claims) => curved.token(claims)],
    ["wrong_curve", false, [{ ...curved.jwk, crv: "P-384" }], (claims) => curved.token(claims)],
    ["mismatchedAlgAndCurve", false, [{ ...curved.jwk, alg: "ES384" }], (claims) => curved.token(claims)],
  ];
  it.each(rows)("%s: taken %s", async (rule, taken, set, make) => {
    const [iss, path] = [`https://${rule.replaceAll(/[^A-Za-z0-9]/g, "-")}.example`, `/${encodeURIComponent(rule)}`];
    keys.behave = (_request, response) => keys.serve(response, { keys: [...set, other.jwk] });
    const answer = await project.admin(`/issuers/idp-${rows.findIndex(([name]) => name === rule)}`, { method: "PUT", body: { issuer: iss, audience: "app", jwks_url: `${keys.url}${path}` } });
    expect(answer.status, answer.text).toBe(200);
    await check(make({ iss, aud: "app", sub: "ann", iat: now(), exp: now() + 600 }), taken);
  });
});
