// Base URLs and addresses of keys on private addresses, in every spelling, are refused when ALLOW_PRIVATE_UPSTREAMS is not set.
// Always holds: a gateway of its own without the variable; what is refused is not stored; public hosts still pass.
// Absent: what is refused only when it is fetched: ssrf-fetch.test.ts.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { Gateway } from "../support/gateway.ts";
import { Project } from "../support/project.ts";

let gateway: Gateway;
let project: Project;
beforeAll(async () => {
  gateway = await Gateway.start({ vars: { ALLOW_PRIVATE_UPSTREAMS: undefined } });
  project = await Project.create({ base: gateway.url });
}, 60_000);
afterAll(() => gateway.stop());

const put = (base_url: string, name = "main") => project.admin(`/providers/${name}`, { method: "PUT", body: { kind: "openai-compatible", api_key: "sk-00000000", base_url } });

const REFUSED = [
  "http://127.0.0.1/v1", "https://127.0.0.1:8443/v1", "http://127.1/v1", "http://127.255.255.254/v1", "http://2130706433/v1", "http://0x7f000001/v1", "http://0x7f.0.0.1/v1",
  "http://0177.0.0.1/v1", "http://017700000001/v1", "http://127.0.0.1./v1", "http://①②⑦.0.0.1/v1", "http://0/v1", "http://0.0.0.0/v1",
  "http://localhost/v1", "http://LOCALHOST/v1", "http://localhost./v1", "http://api.localhost/v1", "http://loc%61lhost/v1",
  "https://10.0.0.1/v1", "https://10.255.255.255/v1", "https://172.16.0.1/v1", "https://172.31.255.255/v1", "https://192.168.1.1/v1", "https://100.64.0.1/v1", "https://169.254.169.254/v1",
  "https://198.18.0.1/v1", "https://192.0.0.1/v1", "https://224.0.0.1/v1", "https://240.0.0.1/v1", "https://255.255.255.255/v1",
  "http://[::1]/v1", "http://[::]/v1", "http://[0:0:0:0:0:0:0:1]/v1", "http://[::ffff:127.0.0.1]/v1", "http://[::ffff:7f00:1]/v1", "http://[::127.0.0.1]/v1",
  "http://[fe80::1]/v1", "http://[fc00::1]/v1", "http://[fd12:3456::1]/v1", "http://[64:ff9b::7f00:1]/v1", "http://[2002:7f00:1::]/v1", "http://[ff02::1]/v1",
  "http://metadata.google.internal/v1", "http://service.internal/v1", "http://printer.local/v1",
  "file:///etc/passwd", "ftp://example.com/v1", "gopher://example.com", "javascript:alert(1)", "data:text/plain,x", "//example.com/v1", "example.com/v1", "", "https://", "https:///v1",
  "https://user:pass@example.com/v1", "https://example.com@127.0.0.1/v1", "https://example.com/v1#@127.0.0.1", "https://exa mple.com/v1",
];

describe("a base URL", () => {
  it.each(REFUSED)("%j is refused, naming the field", async (url) => {
    const error = expectError(await put(url), 400, "validation_error", "base_url");
    expect(error.message).toMatch(/base_url|URL|address|host/i);
    expectError(await project.admin("/providers/main"), 404, "not_found");
  });

  it.each(["https://api.openai.com/v1", "https://api.groq.com/openai/v1", "https://8.8.8.8/v1", "https://[2606:4700::1111]/v1", "https://example.com:8443/v1/", "https://172.32.0.1/v1", "https://100.128.0.1/v1", "https://localhost.example.com/v1"])("%j is public and taken", async (url) => {
    const answer = await put(url, "public");
    expect(answer.status, answer.text).toBeLessThan(300);
  });

  it("is stored by no other road: extra headers cannot choose the host", async () => {
    const body = { kind: "openai-compatible", api_key: "sk-00000000", base_url: "https://example.com/v1", headers: { Host: "127.0.0.1" } };
    expectError(await project.admin("/providers/main", { method: "PUT", body }), 400, "validation_error");
  });
});

// The same spellings where an identity provider's keys are said to be.
const putIssuer = (body: object) => project.admin("/issuers/idp", { method: "PUT", body: { audience: "app", ...body } });

describe("the address of an identity provider's keys", () => {
  it.each(REFUSED)("%j is refused, naming the field", async (jwks_url) => {
    expectError(await putIssuer({ issuer: "https://idp.example", jwks_url }), 400, "validation_error", "jwks_url");
    expectError(await project.admin("/issuers/idp"), 404, "not_found");
  });

  it.each(REFUSED)("as an issuer to discover, %j is refused", async (issuer) => {
    expectError(await putIssuer({ preset: "oidc", issuer }), 400, "validation_error", "issuer");
  });

  it.each(["127.0.0.1", "localhost", "10.0.0.1", "2130706433", "[::1]", "metadata.google.internal", "a.example@127.0.0.1", "a.example/x", "a.example:8080", "a.example#", "169.254.169.254", "0x7f.1"])("as a host of a preset, %j is refused", async (host) => {
    expectError(await putIssuer({ preset: "auth0", domain: host }), 400, "validation_error", "domain");
    expectError(await putIssuer({ preset: "clerk", frontend_api: host, audience: undefined }), 400, "validation_error", "frontend_api");
  });

  it("may be public", async () => {
    expect((await putIssuer({ issuer: "https://idp.example", jwks_url: "https://idp.example/keys?v=1" })).status).toBe(200);
  });
});
