// The master key, the signing key that follows from it, and the admin token, each replaced while everybody goes on working.
// Always holds: gateways of its own, one after the other, on one state folder; in each phase every credential of before is used again.
// Absent: API keys (mint-abuse.test.ts), tenants' own keys.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { ADMIN_TOKEN, Gateway } from "../support/gateway.ts";
import { header, verify } from "../support/jws.ts";
import { call, type Json, Project, User } from "../support/project.ts";
import { reply } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

const [OLD, NEW] = ["old:" + "33".repeat(32), "new:" + "44".repeat(32)];
const NEXT_ADMIN = "next-admin-token-5b8e2d91";
const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** Runs one gateway after the other on the same state. */
function deployment() {
  const persist = mkdtempSync(join(tmpdir(), "behest-rotation-"));
  folders.push(persist);
  return async (vars: Record<string, string>, work: (base: string) => Promise<void>) => {
    const gateway = await Gateway.start({ persist, vars });
    try {
      await work(gateway.url);
    } finally {
      await gateway.stop();
    }
  };
}

it("the master key: published before it signs, and kept while its tokens live, no request fails", { timeout: 180_000 }, async () => {
  const upstream = await Upstream.start((exchange) => reply(exchange.body, "hello"));
  const running = deployment();
  const tokens: string[] = [];
  let key = "";
  let published: Json[] = [];

  /** A phase: what was published before includes what signs now, and every token of before is still good, here and by the JWKS. */
  const work = async (base: string) => {
    for (let n = 0; n < 5; n++) {
      const minted = await call(`${base}/v1/auth/mint`, { token: key, body: { user_id: "ann" } });
      expect(minted.status, minted.text).toBe(200);
      tokens.push(minted.json.token);
    }
    if (published.length) expect(published.map((jwk) => jwk.kid), "others knew the key before it signed").toContain(header(tokens.at(-1)!).kid);
    const jwks = (await call(`${base}/.well-known/jwks.json`)).json;
    for (const token of tokens) {
      const answer = await new User(base, token).chat({ model: "m", messages: [{ role: "user", content: "hi" }] });
      expect(answer.status, answer.text).toBe(200);
      expect(verify(token, jwks).uid).toBe("ann");
    }
    published = jwks.keys;
  };

  await running({ BEHEST_MASTER_KEY: OLD }, async (base) => {
    key = (await Project.create({ base, providers: { main: upstream.url } })).key;
    await work(base);
  });
  for (const masterKey of [`${OLD},${NEW}`, `${NEW},${OLD}`]) await running({ BEHEST_MASTER_KEY: masterKey }, work);
  expect(new Set(tokens.map((token) => header(token).kid)).size).toBe(2);
  expect(upstream.journal.every((exchange) => exchange.headers.authorization === "Bearer sk-upstream-0001")).toBe(true);
});

describe("the admin token", () => {
  const list = (base: string, token: string) => call(`${base}/v1/projects`, { token });

  it("may be two while one takes the place of the other", { timeout: 120_000 }, async () => {
    const running = deployment();
    await running({ BEHEST_ADMIN_TOKEN: `${NEXT_ADMIN}, ${ADMIN_TOKEN}` }, async (base) => {
      for (const token of [ADMIN_TOKEN, NEXT_ADMIN]) expect((await list(base, token)).status).toBe(200);
      for (const token of [`${NEXT_ADMIN},${ADMIN_TOKEN}`, `${NEXT_ADMIN},`, ""]) expectError(await list(base, token), 401, "invalid_token");
    });
    await running({ BEHEST_ADMIN_TOKEN: NEXT_ADMIN }, async (base) => {
      expect((await list(base, NEXT_ADMIN)).status).toBe(200);
      expectError(await list(base, ADMIN_TOKEN), 401, "invalid_token");
    });
  });

  it("is not accepted with a short one beside it, and the log says which", async () => {
    const failing = Gateway.start({ vars: { BEHEST_ADMIN_TOKEN: `${ADMIN_TOKEN},short` }, healthMs: 10_000 });
    await expect(failing).rejects.toThrow(/BEHEST_ADMIN_TOKEN: token 2 must have at least 16 characters/);
  });
});
