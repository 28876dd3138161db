// What is coloured in which language; and nothing is ever lost or added.
import { describe, expect, it } from "vitest";
import { highlight } from "./highlight";

const coloured = (code: string, language: string) =>
  highlight(code, language)
    .filter((piece) => piece.kind !== "plain")
    .map((piece) => `${piece.kind}:${piece.text}`);

describe("highlight", () => {
  it.each([
    ["js", 'const a = "x"; // why', ["keyword:const", 'string:"x"', "comment:// why"]],
    ["js", "`a ${b}\nc` + 'it'", ["string:`a ${b}\nc`", "string:'it'"]],
    ["TS", "/* open\nstill", ["comment:/* open\nstill"]],
    ["python", 'def f(): # it\'s\n  return "a#b", 3.5', ["keyword:def", "comment:# it's", "keyword:return", 'string:"a#b"', "number:3.5"]],
    ["rust", "fn f<'a>(x: &'a str) {}", ["keyword:fn"]],
    ["bash", "curl -d '{\n}' x#y # end", ["string:'{\n}'", "comment:# end"]],
    ["json", '{"a": "b", "c": [1, true]}', ['name:"a"', 'string:"b"', 'name:"c"', "number:1", "keyword:true"]],
    ["http", "Host: 127.0.0.1\n\n{\"in\": 1}", ['name:"in"']],
    ["cobol", 'MOVE "A" TO B.', []],
    ["js", "a1.b2 = c", []],
    ["js", "'unclosed\nif", ["string:'unclosed", "keyword:if"]],
  ])("%s: %j", (language, code, expected) => {
    expect(coloured(code, language)).toEqual(expected);
    expect(highlight(code, language).map((piece) => piece.text).join("")).toBe(code);
  });

  it("leaves very long code plain", () => {
    expect(highlight("let a = 1;\n".repeat(10_000), "js")).toHaveLength(1);
  });

  it("is quick on hostile code", () => {
    const started = performance.now();
    for (const code of ['"\\'.repeat(15_000), "'".repeat(39_999), "/*".repeat(19_000), "`".repeat(39_999), '"""'.repeat(13_000)]) {
      for (const language of ["js", "python", "bash"]) highlight(code, language);
    }
    expect(performance.now() - started).toBeLessThan(1500);
  });
});
