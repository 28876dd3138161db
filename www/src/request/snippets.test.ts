// Snippets against the programs that read them: a real shell, Node and (where there is one) Python
// give back exactly the request. A machine without Python says so; under CI that is a failure.
import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import type { Exchange } from "./trace";
import { jsLiteral, pyLiteral, shellQuote, snippet, type Language } from "./snippets";

const nasty = `it's "quoted" \`id\` $(id) $HOME !! \\ \\n é 🐢 \u2028\n<!-- EOF -->\nEOF\n%s #{x} \${y} \t end'`;

const exchange: Exchange = {
  threadId: "it's; $(id)",
  body: {
    model: "m'; rm -rf /; '",
    messages: [
      { role: "system", content: nasty },
      { role: "user", content: "'" },
      { role: "assistant", content: null },
    ],
    stream: true,
    stream_options: { include_usage: true },
    temperature: 0.5,
    tools: [{ a: [], b: {}, c: false, "d-e": JSON.parse('{"__proto__":{"x":1}}') }],
  },
};

const origin = "https://gateway.example";

it.each([["plain"], [""], ["'"], ["''a'"], [nasty], ["-n"], ["a\nb\n"]])("a shell reads %j back", (text) => {
  const out = execFileSync("sh", ["-c", `printf %s ${shellQuote(text)}`], { encoding: "utf8" });
  expect(out).toBe(text);
});

it("curl is called with exactly the request", () => {
  const script = `curl() { for word in "$@"; do printf '%s\\0' "$word"; done; }\nBEHEST_TOKEN=tok\n${snippet("curl", origin, exchange)}`;
  const words = execFileSync("sh", ["-c", script], { encoding: "utf8" }).split("\0");
  expect(words.slice(0, 2)).toEqual(["-N", "https://gateway.example/v1/chat/completions"]);
  expect(words).toContain("Authorization: Bearer tok");
  expect(words).toContain("X-Thread-Id: it's; $(id)");
  expect(JSON.parse(words[words.indexOf("-d") + 1] ?? "")).toEqual(exchange.body);
});

it("JavaScript reads the body back", () => {
  const source = `console.log(JSON.stringify(${jsLiteral(exchange.body as never, 0)}))`;
  const out = execFileSync(process.execPath, ["-e", source], { encoding: "utf8" });
  expect(JSON.parse(out)).toEqual(exchange.body);
});

it("the JavaScript program parses", () => {
  const check = spawnSync(process.execPath, ["--input-type=module", "--check"], {
    input: snippet("javascript", origin, exchange),
    encoding: "utf8",
  });
  expect(check.stderr).toBe("");
  expect(check.status).toBe(0);
});

const python = spawnSync("python3", ["--version"]).status === 0;
if (!python) console.warn("python3 is absent: the Python snippets are not checked");
if (!python && process.env["CI"] === "true") throw new Error("python3 is needed to check the Python snippets");

describe.skipIf(!python)("Python", () => {
  it("reads the body back", () => {
    const source = `import json\nprint(json.dumps(${pyLiteral(exchange.body as never, 0)}))`;
    expect(JSON.parse(execFileSync("python3", ["-c", source], { encoding: "utf8" }))).toEqual(exchange.body);
  });

  it("parses the program", () => {
    const source = "import ast, sys; ast.parse(sys.stdin.read())";
    const check = spawnSync("python3", ["-c", source], { input: snippet("python", origin, exchange), encoding: "utf8" });
    expect(check.stderr).toBe("");
  });
});

it.each<Language>(["http", "curl", "javascript", "python"])("%s names the token, the thread and the origin", (language) => {
  const text = snippet(language, origin, { ...exchange, threadId: "thread-1" });
  expect(text).toContain("BEHEST_TOKEN");
  expect(text).toContain("thread-1");
  expect(text).toContain("gateway.example");
});
