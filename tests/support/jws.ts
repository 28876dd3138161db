// Signs and verifies compact JWS with Node's own crypto: the second opinion on the gateway's tokens, and the forger's workshop.
// Always holds: verify() looks the key up by kid in the JWKS it is given and throws unless the signature is good.
// Absent: claims. Tests look at them themselves.
import { createHmac, createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject, sign, verify as cryptoVerify } from "node:crypto";
import type { Json } from "./project.ts";

const decode = (part: string): Json => JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

export function header(token: string): Json {
  return decode(token.split(".")[0]);
}

export function claims(token: string): Json {
  return decode(token.split(".")[1]);
}

/** The claims of an EdDSA token, if the JWKS has its key and the signature is good. */
export function verify(token: string, jwks: { keys: Json[] }): Json {
  const { alg, kid } = header(token);
  const jwk = jwks.keys.find((key) => key.kid === kid);
  if (alg !== "EdDSA" || !jwk) throw new Error(`no EdDSA key ${kid} in the JWKS`);
  const [input, signature] = [token.slice(0, token.lastIndexOf(".")), token.slice(token.lastIndexOf(".") + 1)];
  const key = createPublicKey({ key: jwk as JsonWebKey, format: "jwk" });
  if (!cryptoVerify(null, Buffer.from(input), key, Buffer.from(signature, "base64url"))) throw new Error("the signature is not good");
  return claims(token);
}

export function ed25519(): { privateKey: KeyObject; jwk: JsonWebKey } {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return { privateKey, jwk: publicKey.export({ format: "jwk" }) };
}

export function forge(head: object, body: object, key: KeyObject | Buffer): string {
  const input = `${encode({ typ: "JWT", ...head })}.${encode(body)}`;
  const signature = Buffer.isBuffer(key) ? createHmac("sha256", key).update(input).digest() : sign(null, Buffer.from(input), key);
  return `${input}.${signature.toString("base64url")}`;
}
