// Secrets that can be recognised, and the search for them: in bytes of any kind, in every spelling that a program gives a text by accident.
// Always holds: a needle is never shorter than 8 bytes of the secret, so that chance finds nothing; a file is searched for both halves of
// each spelling, so that a secret which SQLite has spread over two pages is found too.
// Absent: which secret may be where. Tests say that.
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** A text that nothing else contains: recognisable to a reader by its beginning, to a search by what follows. */
export function canary(prefix: string): string {
  return `${prefix}${randomBytes(12).toString("hex")}-${randomBytes(12).toString("hex")}`;
}

/** What base64 has of these bytes wherever they lie within a longer text: three ways, by their offset modulo 3. */
function base64(secret: Buffer, alphabet: "base64" | "base64url"): string[] {
  return [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), secret]).toString(alphabet).replace(/=+$/, "");
    // What shares a character with the neighbours is not the secret's own.
    const whole = Math.floor(((offset + secret.length) * 8) / 6);
    return text.slice(Math.ceil((offset * 8) / 6), whole);
  });
}

/** Every spelling that is looked for. */
export function spellings(secret: Buffer): Map<string, Buffer> {
  const hex = secret.toString("hex");
  const text = secret.toString("utf8");
  const found: [string, string | Buffer][] = [
    ["as it is", secret],
    ["hex", hex], ["HEX", hex.toUpperCase()],
    ...base64(secret, "base64").map((one, offset): [string, string] => [`base64 at ${offset}`, one]),
    ...base64(secret, "base64url").map((one, offset): [string, string] => [`base64url at ${offset}`, one]),
    ["percent", hex.replace(/../g, "%$&")], ["PERCENT", hex.toUpperCase().replace(/../g, "%$&")],
    ["UTF-16", Buffer.from(text, "utf16le")],
    ...(Buffer.from(text).equals(secret) ? [["a URL's", encodeURIComponent(text)], ["JSON's", JSON.stringify(text).slice(1, -1)]] as [string, string][] : []),
  ];
  const known = new Set<string>();
  return new Map(found.map(([name, spelt]): [string, Buffer] => [name, Buffer.from(spelt as string)]).filter(([, bytes]) => {
    const key = bytes.toString("latin1");
    return !known.has(key) && Boolean(known.add(key));
  }));
}

interface Needle {
  name: string;
  spelling: string;
  bytes: Buffer;
}

export class Canaries {
  private readonly needles: Needle[] = [];
  readonly names = new Set<string>();

  add(name: string, secret: string | Buffer): void {
    const bytes = Buffer.from(secret as string);
    if (bytes.length < 16) throw new Error(`${name} is too short to be looked for`);
    this.names.add(name);
    for (const [spelling, spelt] of spellings(bytes)) this.needles.push({ name, spelling, bytes: spelt });
  }

  /** Which secrets these bytes have, by name, and in which spellings. */
  in(bytes: Buffer, halves = false): Map<string, string[]> {
    const found = new Map<string, string[]>();
    for (const { name, spelling, bytes: needle } of this.needles) {
      const half = needle.length >> 1;
      const parts = halves ? [needle.subarray(0, half), needle.subarray(half)] : [needle];
      if (parts.some((part) => bytes.includes(part))) found.set(name, [...(found.get(name) ?? []), spelling]);
    }
    return found;
  }
}

/** Every file below a folder, by its path there, whole: databases, their logs of writes, blobs. */
export function everyFile(folder: string): [path: string, bytes: Buffer][] {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return paths.filter((path) => statSync(join(folder, path)).isFile()).map((path) => [path, readFileSync(join(folder, path))]);
}
