// The limit per address comes first: before tokens are looked at, with its own scope, readable by a page.
// Always holds: a gateway of its own with IP_RPM=5, so that no other test meets it.
import { afterAll, beforeAll, expect, it } from "vitest";
import { expectCors, expectError } from "../support/contract.ts";
import { Gateway } from "../support/gateway.ts";
import { call } from "../support/project.ts";

let gateway: Gateway;
beforeAll(async () => { gateway = await Gateway.start({ vars: { IP_RPM: 5 } }); }, 60_000);
afterAll(() => gateway.stop());

it("the sixth call in a minute from one address is 429 with scope ip, whoever it claims to be", async () => {
  const send = () => call(`${gateway.url}/v1/chat/completions`, { token: "not.a.token", body: {}, headers: { origin: "https://a.example" } });
  const answers = [];
  for (let n = 0; n < 12; n++) answers.push(await send());
  const refused = answers.filter(({ status }) => status === 429);
  expect(answers.map(({ status }) => status).every((status) => status === 401 || status === 429)).toBe(true);
  // One or two calls of the start-up's health check may have counted.
  expect(refused.length).toBeGreaterThanOrEqual(7);
  expect(refused.length).toBeLessThan(12);
  for (const answer of refused) {
    expect(expectError(answer, 429, "rate_limited").details).toMatchObject({ scope: "ip" });
    expect(answer.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    expectCors(answer.headers, "https://a.example");
  }
});
