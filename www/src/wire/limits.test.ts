// Headers as the gateway sends them, complete, partial and broken.
import { expect, it } from "vitest";
import { readLimits } from "./limits";

it("reads both", () => {
  const headers = new Headers({
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "57",
    "x-ratelimit-reset-requests": "6m0s",
    "x-ratelimit-limit-tokens": "1000000",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-tokens": "250ms",
  });
  expect(readLimits(headers, 1000)).toEqual({
    requests: { limit: 60, remaining: 57, resetsAt: 361_000 },
    tokens: { limit: 1_000_000, remaining: 0, resetsAt: 1250 },
  });
});

it("leaves out what is missing or no number", () => {
  const headers = new Headers({
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-limit-tokens": "10",
    "x-ratelimit-remaining-tokens": "many",
  });
  expect(readLimits(headers, 0)).toEqual({});
});

it("does without a reset", () => {
  const headers = new Headers({ "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "1" });
  expect(readLimits(headers, 0)).toEqual({ requests: { limit: 60, remaining: 1 } });
});
