// Growing a text by any steps gives the same blocks as taking it whole, and never loses a character.
import { marked } from "marked";
import { expect, it } from "vitest";
import { grow, NOTHING, type Growing } from "./blocks";

const cut = (text: string) => marked.lexer(text).map((token) => token.raw);

const text = [
  "# Title\n\nA *paragraph*\nof two lines.\n\n",
  "- one\n\n  more of one\n- two\n  - deep\n\n",
  "```js\nlet a = 1;\n\n# not a title\n```\n\n",
  "| a | b |\n|---|---|\n| 1 | 2 |\n\n",
  "> quoted\ngoes on\n\nSetext\n===\n\n1. x\n2. y\n\nEnd é 🐢",
].join("");

const all = (growing: Growing) => growing.settled.join("") + growing.tail;

it.each([1, 2, 3, 7, 50, 10_000])("steps of %d characters", (step) => {
  let growing = NOTHING;
  for (let at = 0; at <= text.length + step; at += step) {
    growing = grow(growing, text.slice(0, at), cut);
    expect(all(growing)).toBe(text.slice(0, at));
  }
  const html = [...growing.settled, growing.tail].map((block) => marked.parse(block, { async: false })).join("");
  expect(html).toBe(marked.parse(text, { async: false }));
});

it("starts again when the text is another", () => {
  const first = grow(NOTHING, "one\n\ntwo\n\nthree", cut);
  expect(first.settled.length).toBeGreaterThan(0);
  expect(all(grow(first, "something else", cut))).toBe("something else");
});

it("settles blocks so that a step costs only the tail", () => {
  let growing = NOTHING;
  let longest = 0;
  const measured = (part: string) => {
    longest = Math.max(longest, part.length);
    return cut(part);
  };
  const long = "A short paragraph.\n\n".repeat(500);
  for (let at = 0; at <= long.length; at += 20) growing = grow(growing, long.slice(0, at), measured);
  expect(longest).toBeLessThan(100);
});

it("settles nothing when the cutter changes the text", () => {
  const windows = "one\r\n\r\ntwo\r\n\r\nthree";
  expect(all(grow(NOTHING, windows, cut))).toBe(windows);
});
