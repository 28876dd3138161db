// What someone hands the page as a credential: a user's token is taken and read for display, an API
// key is refused with the reason, anything else is named for what it is. The signature is not
// checked here (only the gateway can); nothing in this file stores, sends or logs a credential.
import { asNumber, asObject, asString, parseJson, type JsonObject } from "../wire/json";

export interface Identity {
  user: string;
  project?: string;
  role?: string;
  tier?: string;
  /** Epoch milliseconds. */
  expiresAt?: number;
}

export interface Credential {
  token: string;
  identity: Identity;
}

export type CredentialReading = { ok: true; credential: Credential } | { ok: false; reason: string };

const API_KEY = /behest_(sk|pk|rk)_/i;
const PROVIDER_KEY = /^(sk|gsk|xai|AIza)[-_A-Za-z0-9]{16,}$/;

/** Reads pasted text; `Bearer …` and quotes around a token are forgiven. */
export function readCredential(pasted: string): CredentialReading {
  const text = pasted
    .trim()
    .replace(/^authorization:\s*/i, "")
    .replace(/^bearer\s+/i, "")
    .replace(/^["']|["']$/g, "")
    .trim();
  if (text === "") return refuse("Paste a user token first.");
  if (API_KEY.test(text)) {
    return refuse(
      "That is an API key. A key belongs on a server, where it mints tokens for users; it must never be in a browser. " +
        "Mint a token with it and paste the token here.",
    );
  }
  if (PROVIDER_KEY.test(text)) return refuse("That looks like a provider’s key. It belongs in the gateway’s settings, not here.");
  const claims = claimsOf(text);
  if (!claims) return refuse("That is not a token: a user token has three parts separated by dots (a JWT).");
  return { ok: true, credential: { token: text, identity: identityOf(claims) } };
}

export interface Fragment {
  token?: string;
  model?: string;
}

/** `#token=…&model=…` → its parts; other fragments give nothing. */
export function readFragment(hash: string): Fragment {
  const params = new URLSearchParams(hash.replace(/^#/, "").replaceAll("+", "%2B"));
  const token = params.get("token");
  const model = params.get("model");
  return { ...(token !== null && { token }), ...(model !== null && { model }) };
}

function refuse(reason: string): CredentialReading {
  return { ok: false, reason };
}

function claimsOf(token: string): JsonObject | undefined {
  const parts = token.split(".");
  if (parts.length !== 3 || !parts.every((part) => /^[A-Za-z0-9_-]+$/.test(part))) return undefined;
  const [header = "", payload = ""] = parts;
  return decodePart(header) && decodePart(payload);
}

function decodePart(part: string): JsonObject | undefined {
  try {
    const binary = atob(part.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
    return asObject(parseJson(new TextDecoder().decode(bytes)));
  } catch {
    return undefined;
  }
}

function identityOf(claims: JsonObject): Identity {
  const project = asString(claims["pid"]);
  const role = asString(claims["role"]);
  const tier = claims["tier"];
  const exp = asNumber(claims["exp"]);
  return {
    user: asString(claims["uid"]) ?? asString(claims["sub"]) ?? "unknown user",
    ...(project !== undefined && { project }),
    ...(role !== undefined && { role }),
    ...((typeof tier === "string" || typeof tier === "number") && { tier: String(tier) }),
    ...(exp !== undefined && { expiresAt: exp * 1000 }),
  };
}
