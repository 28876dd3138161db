// Keys that a tenant signs with, and tokens made with them by Node's own crypto: exact ones, and forged ones part by part.
// Always holds: a token is made of the texts it is given, so that what is malformed can be signed too.
// Absent: expectations.
import { constants, createHmac, generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from "node:crypto";
import type { Json, Project } from "./project.ts";

export interface Pair {
  privateKey: KeyObject;
  publicKey: KeyObject;
  jwk: JsonWebKey;
  pem: string;
}

export const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

export function pair(alg: string, bits = 2048): Pair {
  const { privateKey, publicKey } = alg === "EdDSA" ? generateKeyPairSync("ed25519")
    : alg.startsWith("ES") ? generateKeyPairSync("ec", { namedCurve: `P-${alg.slice(2)}` })
    : generateKeyPairSync("rsa", { modulusLength: bits });
  return { privateKey, publicKey, jwk: publicKey.export({ format: "jwk" }), pem: publicKey.export({ format: "pem", type: "spki" }).toString() };
}

/** The signature of a text; `secret` for HS256. */
export function signature(alg: string, input: string, key: KeyObject | Buffer | string): Buffer {
  const data = Buffer.from(input);
  if (Buffer.isBuffer(key) || typeof key === "string") return createHmac("sha256", key).update(data).digest();
  if (alg === "EdDSA") return sign(null, data, key);
  const [hash, saltLength] = [`sha${alg.slice(2)}`, Number(alg.slice(2)) / 8];
  if (alg.startsWith("ES")) return sign(hash, data, { key, dsaEncoding: "ieee-p1363" });
  return sign(hash, data, alg.startsWith("PS") ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength } : key);
}

const base64url = (text: string | Buffer): string => Buffer.from(text).toString("base64url");

/** A token of two texts (or values, written as JSON), signed by the algorithm `by`, which the header need not say. */
export function token(header: unknown, claims: unknown, by: string, key: KeyObject | Buffer | string): string {
  const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  const input = `${base64url(text(header))}.${base64url(text(claims))}`;
  return `${input}.${signature(by, input, key).toString("base64url")}`;
}

/** What the SDKs sign at the least. */
export function claimsOf(project: Project, more: Json = {}): Json {
  const now = Math.floor(Date.now() / 1000);
  return { tid: "tnt_default", pid: project.id, uid: "ann", iss: "behest", aud: "behest", iat: now, nbf: now, exp: now + 600, ...more };
}

/** Registers a key of the project; its answer. */
export async function register(project: Project, body: Json): Promise<Json> {
  const answer = await project.admin("/signing-keys", { body });
  if (answer.status !== 201) throw new Error(`signing-keys answered ${answer.status}: ${answer.text}`);
  return answer.json;
}
