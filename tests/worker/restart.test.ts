// A deployment over its life: state survives a restart, and the master key can be rotated without anyone noticing.
// Always holds: gateways of its own, one after the other, on one state folder.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { Gateway } from "../support/gateway.ts";
import { header, verify } from "../support/jws.ts";
import { call, Project, User } from "../support/project.ts";
import { reply } from "../support/script.ts";
import { told } from "../support/thread.ts";
import { Upstream } from "../support/upstream.ts";

const persist = mkdtempSync(join(tmpdir(), "behest-restart-"));
afterAll(() => rmSync(persist, { recursive: true, force: true }));
const [OLD, NEW] = ["old:" + "11".repeat(32), "new:" + "22".repeat(32)];

async function running<T>(masterKey: string, work: (base: string) => Promise<T>): Promise<T> {
  const gateway = await Gateway.start({ persist, vars: { BEHEST_MASTER_KEY: masterKey } });
  try {
    return await work(gateway.url);
  } finally {
    await gateway.stop();
  }
}

it("keys, providers, tokens and threads outlive a restart and a rotation of the master key", { timeout: 90_000 }, async () => {
  const upstream = await Upstream.start((exchange, nth) => reply(exchange.body, `r${nth}`));
  const chat = async (base: string, token: string, content: string) => {
    const answer = await new User(base, token).chat({ model: "m", messages: [{ role: "user", content }] }, { headers: { "x-thread-id": "life" } });
    expect(answer.status, answer.text).toBe(200);
    expect(upstream.last.headers.authorization).toBe("Bearer sk-upstream-0001");
  };
  const keys = async (base: string) => (await call(`${base}/.well-known/jwks.json`)).json;

  const { key, token } = await running(OLD, async (base) => {
    const project = await Project.create({ base, providers: { main: upstream.url } });
    const first = await project.token("ann");
    await chat(base, first, "before");
    return { key: project.key, token: first };
  });
  await running(OLD, (base) => chat(base, token, "after a restart"));
  await running(`${NEW},${OLD}`, async (base) => {
    await chat(base, token, "after a rotation");
    expect(verify(token, await keys(base)).uid).toBe("ann");
    const minted = await call(`${base}/v1/auth/mint`, { token: key, body: { user_id: "ann" } });
    expect(minted.status, minted.text).toBe(200);
    expect(header(minted.json.token).kid).not.toBe(header(token).kid);
    expect(verify(minted.json.token, await keys(base)).uid).toBe("ann");
    await chat(base, minted.json.token, "with a new token");
    const { json } = await new User(base, minted.json.token).get("/v1/threads/life/messages");
    expect(told(json)).toEqual(["before", "after a restart", "after a rotation", "with a new token"].flatMap((text, n) => [`user: ${text}`, `assistant: r${n + 1}`]));
  });
  await running(NEW, async (base) => {
    const refused = await new User(base, token).chat("with the old key gone");
    expect(refused.status, "a token of a master key that was taken away").toBe(401);
  });
});

it.each([["none", undefined], ["a short one", "c2hvcnQ="], ["one that is not base64 or hex", "§§§"]])("with %s for a master key the gateway does not start serving, and its log says why", async (_name, key) => {
  const failing = Gateway.start({ vars: { BEHEST_MASTER_KEY: key }, healthMs: 10_000 });
  await expect(failing).rejects.toThrow(/BEHEST_MASTER_KEY(: key 1 must be| is not set)/);
});
