// The errors of the contract, and those that never reached the gateway.
import { describe, expect, it } from "vitest";
import { failureOfAnswer, failureOfEvent, failureOfException, GatewayError, needsToken } from "./failure";

const none = new Headers();

describe("failureOfAnswer", () => {
  it("reads the gateway's shape", () => {
    const body = JSON.stringify({
      error: { message: "Too many requests.", type: "rate_limit_error", param: null, code: "rate_limited", details: { scope: "user" } },
      code: "rate_limited",
    });
    const headers = new Headers({ "x-request-id": "req_1", "retry-after": "7", "retry-after-ms": "6500" });
    expect(failureOfAnswer(429, headers, body, 1000)).toEqual({
      message: "Too many requests.",
      code: "rate_limited",
      status: 429,
      requestId: "req_1",
      retryAt: 7500,
    });
  });

  it("reads resets_at as seconds or as text", () => {
    const body = (at: unknown) =>
      JSON.stringify({ error: { message: "Spent.", code: "quota_exceeded", details: { resets_at: at } } });
    expect(failureOfAnswer(402, none, body(1_800_000_000), 0).resetsAt).toBe(1_800_000_000_000);
    expect(failureOfAnswer(402, none, body("2027-01-15T08:00:00Z"), 0).resetsAt).toBe(1_800_000_000_000);
  });

  it("names the field of a 400", () => {
    const body = JSON.stringify({ error: { message: "Bad.", code: "validation_error", param: "temperature" } });
    expect(failureOfAnswer(400, none, body, 0).param).toBe("temperature");
  });

  it.each(["", "<html>Bad gateway</html>", "[]", "null", '"x"', '{"error":null}'])("survives %j", (body) => {
    expect(failureOfAnswer(502, none, body, 0)).toEqual({
      message: "The server answered 502 without saying why.",
      code: "http_502",
      status: 502,
    });
  });

  it("falls back to the top-level code", () => {
    expect(failureOfAnswer(404, none, '{"error":{"message":"No."},"code":"not_found"}', 0).code).toBe("not_found");
  });
});

it("tells an error event from a chunk", () => {
  expect(failureOfEvent({ choices: [] }, "r")).toBeUndefined();
  expect(failureOfEvent({ error: { message: "Upstream went away.", code: "upstream_error" } }, "r")).toEqual({
    message: "Upstream went away.",
    code: "upstream_error",
    status: 0,
    requestId: "r",
  });
});

it("keeps a thrown failure", () => {
  const failure = { message: "m", code: "c", status: 404 };
  expect(failureOfException(new GatewayError(failure))).toBe(failure);
  expect(failureOfException(new TypeError("Failed to fetch")).code).toBe("network_error");
});

it("knows what a new token mends", () => {
  expect(needsToken({ message: "", code: "token_expired", status: 401 })).toBe(true);
  expect(needsToken({ message: "", code: "forbidden", status: 403 })).toBe(false);
});
