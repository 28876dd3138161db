// Tables of what headers and bodies carry, and of what people read.
import { describe, expect, it } from "vitest";
import { parseDuration, parseMoment, sayCount, sayDuration, sayMeasured } from "./duration";

describe("parseDuration", () => {
  it.each([
    ["1s", 1000],
    ["6m0s", 360_000],
    ["250ms", 250],
    ["0s", 0],
    ["1h2m3.5s", 3_723_500],
    ["23h59m59s", 86_399_000],
    ["1d", 86_400_000],
    ["1m500ms", 60_500],
    ["17", 17_000],
    [" 2s ", 2000],
  ])("%s", (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each([["soon"], [""], ["-1s"], ["1s!"], ["s"], ["1 s"], [null], [undefined]])("refuses %s", (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  );
});

describe("parseMoment", () => {
  const at = Date.UTC(2026, 10, 21, 12);
  it.each([
    [at / 1000, at],
    [String(at / 1000), at],
    [at, at],
    ["2026-11-21T12:00:00Z", at],
    ["yesterday", undefined],
    [null, undefined],
    [Number.NaN, undefined],
  ])("%s", (value, expected) => expect(parseMoment(value)).toBe(expected));
});

it.each([
  [-5, "now"],
  [1, "1 s"],
  [59_001, "60 s"],
  [99_000, "99 s"],
  [100_000, "2 min"],
  [7_300_000, "2 h"],
  [172_800_000, "2 days"],
])("sayDuration(%d)", (ms, text) => expect(sayDuration(ms)).toBe(text));

it.each([
  [83.6, "84 ms"],
  [1240, "1.2 s"],
])("sayMeasured(%d)", (ms, text) => expect(sayMeasured(ms)).toBe(text));

it.each([
  [0, "0"],
  [999, "999"],
  [12_400, "12.4k"],
  [50_000, "50k"],
  [999_310, "999k"],
  [999_900, "1M"],
  [1_000_000, "1M"],
  [19_950_000, "19.9M"],
])("sayCount(%d)", (count, text) => expect(sayCount(count)).toBe(text));
