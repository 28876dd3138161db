// Families of credentials that are refused, as the bench sends them: each with what an attacker would hope for, and each other than the last, so
// that nothing is remembered of it.
// Always holds: a token of a family is good but for what its name says. Absent: measuring (run.mjs), more attacks (tests/worker/foreign-tokens.test.ts).
import { createHmac, randomBytes } from "node:crypto";

/** No refused token may cost more than this, µs, and no malformed key more than that. */
const TOKEN_MICROS = 1_000;
const KEY_MICROS = 150;
const MINT = "/v1/auth/mint";
/** The largest token that is read at all, bytes. */
const LARGEST = 8_192;

const part = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const hex = (bytes) => randomBytes(bytes).toString("hex");
const hmac = (secret) => (input) => createHmac("sha256", secret).update(input).digest();

/**
 * @param project {id, tenant_id} @param keys by algorithm: {alg, kid, jwk, pem, sign}, registered with the project
 * @returns rows: name, path, the status that is due, what the bare refusal is (the name of a row, or none), the promise in µs, a maker of credentials
 */
export function refusals(project, keys) {
  const claims = (more = {}) => {
    const now = Math.floor(Date.now() / 1000);
    return { tid: project.tenant_id, pid: project.id, uid: "u", iss: "behest", aud: "behest", iat: now, nbf: now, exp: now + 900, jti: hex(16), ...more };
  };
  const signed = (head, body, sign) => {
    const input = `${part(head)}.${part(body)}`;
    return `${input}.${sign(input).toString("base64url")}`;
  };
  const head = ({ alg, kid }, more = {}) => ({ alg, kid, typ: "JWT", ...more });
  const good = ({ RS256 } = keys, more, changed) => signed(head(RS256, more), claims(changed), RS256.sign);
  /** Another bit in the middle: a signature that is read and checked to its end. */
  const spoiled = (key) => signed(head(key), claims(), (input) => {
    const signature = Buffer.from(key.sign(input));
    signature[signature.length >> 1] ^= 1;
    return signature;
  });
  const filled = (length) => {
    const room = length - good(keys, { x: "" }).length;
    return good(keys, { x: "x".repeat(Math.floor((room * 3) / 4) - 4), kid: `sk_${hex(12)}` });
  };
  const token = (name, make) => ({ name, path: "/v1/models", status: 401, promise: TOKEN_MICROS, make });
  const key = (name, make, status, promise, bare = "no key at all, at the mint") => ({ name, path: MINT, status, promise, bare, make });
  const { RS256, ES256, EdDSA } = keys;
  return [
    token("garbage", () => `${hex(40)}.${hex(100)}.${hex(40)}`),
    token("alg none", () => `${part({ ...head(RS256), alg: "none" })}.${part(claims())}.`),
    token("HMAC with the public key's PEM", () => signed({ ...head(RS256), alg: "HS256" }, claims(), hmac(RS256.pem))),
    token("HMAC with the public key's JWK", () => signed({ ...head(RS256), alg: "HS256" }, claims(), hmac(JSON.stringify(RS256.jwk)))),
    token("a header that makes it 8 KB and more", () => filled(LARGEST + 1_000)),
    token("a header as large as is read", () => filled(LARGEST - 200)),
    token("a claim twice", () => signed(head(RS256), JSON.stringify(claims()).replace("{", '{"uid":"v",'), RS256.sign)),
    token("claims in 500 brackets", () => signed(head(RS256), `{"x":${"[".repeat(500)}${"]".repeat(500)}}`, RS256.sign)),
    token("a kid that the project has not", () => good(keys, { kid: `sk_${hex(12)}` })),
    token("exp of 2^60", () => good(keys, {}, { exp: 2 ** 60 })),
    token("exp of 1e400", () => signed(head(RS256), JSON.stringify(claims()).replace(/"exp":\d+/, '"exp":1e400'), RS256.sign)),
    token("a project that is none, the same one", () => good(keys, {}, { pid: "proj_000000000000000000000000" })),
    token("a project that is none, each another", () => good(keys, {}, { pid: `proj_${hex(12)}` })),
    token("an issuer that nobody trusts", () => signed(head(RS256, { kid: hex(8) }), claims({ pid: undefined, iss: `https://${hex(8)}.example` }), RS256.sign)),
    ...[RS256, ES256, EdDSA].map((key) => token(`a bad signature of ${key.alg}, of a key that is there`, () => spoiled(key))),
    key("no key at all, at the mint", () => undefined, 401, 0, null),
    key("a malformed key: too short", () => `behest_sk_live_${hex(15)}`, 401, KEY_MICROS),
    key("a malformed key: 8 KB", () => `behest_sk_live_${hex(4_000)}`, 401, KEY_MICROS),
    key("a malformed key: a letter that is none", () => `behest_sk_live_${hex(15)}zz`, 401, KEY_MICROS),
    key("a well-formed key that nobody has", () => `behest_sk_live_${hex(16)}`, 401, 0),
  ];
}
