// RSA signatures made by hand: the padded hash of PKCS#1 (RFC 8017, 9.1 and 9.2) with any part of it changed, then the bare private operation.
// Always holds: without changes it is what every library makes. Absent: expectations.
import { constants, createHash, type KeyObject, privateEncrypt, randomBytes } from "node:crypto";

/** A DER value: its tag, and what is in it. */
export interface Der {
  name: string;
  tag: number;
  value: Buffer | Der[];
}
/** Writes a value in another way than DER does. */
export type Spoil = (tag: number, value: Buffer) => Buffer;

const hex = (text: string) => Buffer.from(text, "hex");

/** `DigestInfo` of SHA-256. */
export function digestInfo(input: string): Der {
  return {
    name: "Sequence", tag: 0x30, value: [
      { name: "AlgorithmIdentifier", tag: 0x30, value: [{ name: "Oid", tag: 0x06, value: hex("608648016503040201") }, { name: "Null", tag: 0x05, value: Buffer.alloc(0) }] },
      { name: "OctetString", tag: 0x04, value: createHash("sha256").update(input).digest() },
    ],
  };
}

/** In DER, but for the value of this name. */
export function encode(der: Der, name?: string, spoil?: Spoil): Buffer {
  const value = Array.isArray(der.value) ? Buffer.concat(der.value.map((inner) => encode(inner, name, spoil))) : der.value;
  return der.name === name ? spoil!(der.tag, value) : tlv(der.tag, value);
}

export const tlv = (tag: number, value: Buffer): Buffer => Buffer.concat([value.length < 128 ? Buffer.from([tag, value.length]) : Buffer.from([tag, 0x81, value.length]), value]);

/** PKCS#1 v1.5: the text, padded to the length of the key. */
export const padded = (text: Buffer, length = 256): Buffer => Buffer.concat([hex("0001"), Buffer.alloc(Math.max(length - 3 - text.length, 0), 0xff), hex("00"), text]);

/** What the private key makes of a number. */
export const raw = (key: KeyObject, em: Buffer): Buffer => privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, em);

export interface Pss {
  hash: string;
  mgf?: string;
  salt?: number;
  /** Changes the hash of the text, the hash of all, the masked block's plain bytes, the whole. */
  text?: (hash: Buffer) => void;
  all?: (hash: Buffer) => void;
  block?: (block: Buffer) => void;
  whole?: (em: Buffer) => void;
}

/** EMSA-PSS for a key of 2,048 bits. */
export function pss(input: string, { hash, mgf = hash, salt, text, all, block, whole }: Pss): Buffer {
  const sum = (name: string, ...parts: Buffer[]) => createHash(name).update(Buffer.concat(parts)).digest();
  const hashed = sum(hash, Buffer.from(input));
  text?.(hashed);
  const salted = randomBytes(salt ?? hashed.length);
  const h = sum(hash, Buffer.alloc(8), hashed, salted);
  all?.(h);
  const db = Buffer.concat([Buffer.alloc(256 - h.length - salted.length - 2), hex("01"), salted]);
  block?.(db);
  const mask = Buffer.concat(Array.from({ length: 9 }, (_, n) => sum(mgf, h, Buffer.from([0, 0, 0, n]))));
  const em = Buffer.concat([db.map((byte, at) => byte ^ mask[at]), h, hex("bc")]);
  em[0] &= 0x7f;
  whole?.(em);
  return em;
}
