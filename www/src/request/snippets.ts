// The request as code to paste: raw HTTP, curl, JavaScript and Python. Always holds: the token is a
// variable, never its value; whatever a message contains stays inside its quotes, in a POSIX shell as
// in both languages.
import type { Json } from "../wire/json";
import type { Exchange } from "./trace";

export type Language = "http" | "curl" | "javascript" | "python";

const SPACE = "  ";

export function snippet(language: Language, origin: string, exchange: Exchange): string {
  switch (language) {
    case "http":
      return http(origin, exchange);
    case "curl":
      return curl(origin, exchange);
    case "javascript":
      return javascript(origin, exchange);
    case "python":
      return python(origin, exchange);
  }
}

function http(origin: string, { threadId, body }: Exchange): string {
  const lines = [
    "POST /v1/chat/completions HTTP/1.1",
    `Host: ${new URL(origin).host}`,
    "Authorization: Bearer $BEHEST_TOKEN",
    "Content-Type: application/json",
    "Accept: text/event-stream",
    `X-Thread-Id: ${threadId}`,
    "",
    JSON.stringify(body, null, SPACE),
  ];
  return lines.join("\n");
}

function curl(origin: string, { threadId, body }: Exchange): string {
  return [
    `curl -N ${shellQuote(`${origin}/v1/chat/completions`)} \\`,
    `${SPACE}-H "Authorization: Bearer $BEHEST_TOKEN" \\`,
    `${SPACE}-H 'Content-Type: application/json' \\`,
    `${SPACE}-H ${shellQuote(`X-Thread-Id: ${threadId}`)} \\`,
    `${SPACE}-d ${shellQuote(JSON.stringify(body, null, SPACE))}`,
  ].join("\n");
}

function javascript(origin: string, { threadId, body }: Exchange): string {
  return `import OpenAI from "openai";

const client = new OpenAI({
  baseURL: ${jsLiteral(`${origin}/v1`, 0)},
  apiKey: process.env.BEHEST_TOKEN,
  defaultHeaders: { "X-Thread-Id": ${jsLiteral(threadId, 0)} },
});

const stream = await client.chat.completions.create(${jsLiteral(asJson(body), 0)});

for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
}
`;
}

function python(origin: string, { threadId, body }: Exchange): string {
  const fields = Object.entries(asJson(body) as Record<string, Json>).map(
    ([name, value]) => `    ${name}=${pyLiteral(value, 1)},`,
  );
  return `import os
from openai import OpenAI

client = OpenAI(
    base_url=${pyLiteral(`${origin}/v1`, 1)},
    api_key=os.environ["BEHEST_TOKEN"],
    default_headers={"X-Thread-Id": ${pyLiteral(threadId, 1)}},
)

stream = client.chat.completions.create(
${fields.join("\n")}
)

for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
`;
}

/** One word of a POSIX shell, whatever the text. */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A JavaScript expression; keys that need no quotes have none. */
export function jsLiteral(value: Json, depth: number): string {
  return literal(value, depth, SPACE, {
    atom: (atom) => JSON.stringify(atom),
    // A bare or quoted `__proto__` would set the prototype.
    key: (key) => (key === "__proto__" ? '["__proto__"]' : /^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key)),
    pad: " ",
  });
}

/** A Python expression. JSON's string escapes are Python's too. */
export function pyLiteral(value: Json, depth: number): string {
  return literal(value, depth, "    ", {
    atom: (atom) => (atom === null ? "None" : atom === true ? "True" : atom === false ? "False" : JSON.stringify(atom)),
    key: (key) => JSON.stringify(key),
    pad: "",
  });
}

interface Spelling {
  atom: (value: null | boolean | number | string) => string;
  key: (key: string) => string;
  /** What stands inside the braces of an object on one line. */
  pad: string;
}

function literal(value: Json, depth: number, indent: string, spelling: Spelling): string {
  if (typeof value !== "object" || value === null) return spelling.atom(value);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  const items = Array.isArray(value)
    ? value.map((item) => literal(item, depth + 1, indent, spelling))
    : Object.entries(value).map(([key, item]) => `${spelling.key(key)}: ${literal(item, depth + 1, indent, spelling)}`);
  if (items.length === 0) return open + close;
  const pad = Array.isArray(value) ? "" : spelling.pad;
  const short = `${open}${pad}${items.join(", ")}${pad}${close}`;
  if (depth > 0 && short.length <= 64 && !short.includes("\n")) return short;
  const inner = indent.repeat(depth + 1);
  return `${open}\n${items.map((item) => `${inner}${item},`).join("\n")}\n${indent.repeat(depth)}${close}`;
}

function asJson(body: Exchange["body"]): Json {
  return JSON.parse(JSON.stringify(body)) as Json;
}
